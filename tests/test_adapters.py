import copy
import json
import math
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from tiny import RELATIVES, tiny_bert, tiny_relative
from tiny_encoders import CASES, media
from torch import nn
from transformers import RobertaConfig

from multimodal_emotion import checkpoint, cli, registry, runs, training
from multimodal_emotion import config as configuration
from multimodal_emotion.adapters._base import Added, adapt, added_parameters, merge
from multimodal_emotion.adapters.adalora import AdaLora, Allocation, Decomposed
from multimodal_emotion.adapters.bottleneck import Narrowed
from multimodal_emotion.adapters.lora import LowRank
from multimodal_emotion.adapters.prefix import Prefix
from multimodal_emotion.batch import pad
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.optimisation import parameter_groups

SETTINGS = {
    "lora": {"type": "lora", "rank": 4},
    "adalora": {"type": "adalora", "rank": 4},
    "houlsby": {"type": "bottleneck", "size": 4},
    "pfeiffer": {"type": "bottleneck", "size": 4, "placement": "feed_forward"},
    "prefix": {"type": "prefix", "length": 3},
    "bitfit": {"type": "bitfit"},
}
TEXT = {"bert": None, **RELATIVES}
OTHERS = (
    "wav2vec2 group",
    "wav2vec2 layer",
    "hubert layer",
    "wavlm",
    "data2vec-audio",
    "whisper all",
    "timm vit",
    "timm convnext",
    "dinov2",
    "transformers vit",
    "transformers convnext",
)
REFUSED = {
    ("lora", "timm convnext"): "it has no linear layer; its linear layers: none",
    ("adalora", "timm convnext"): "it has no linear layer; its linear layers: none",
    ("houlsby", "timm convnext"): "no layer is known as the output of its feed-forward part",
    ("pfeiffer", "timm convnext"): "no layer is known as the output of its feed-forward part",
    ("houlsby", "transformers convnext"): "no layer is known as the output of its attention",
    ("prefix", "timm convnext"): "it has no attention whose keys and values can be told apart",
    ("prefix", "transformers convnext"): "it has no attention whose keys and values can be told apart",
}
"""What does not apply to which encoder, and why."""


@pytest.fixture(scope="module", params=[*TEXT, *OTHERS])
def encoder_and_inputs(request, tiny_bert_folder, tmp_path_factory):
    """The name of a family, a tiny encoder of it in evaluation mode, and a batch of three rows of different length."""
    place = tmp_path_factory.mktemp("checkpoint") / "it"
    if request.param in TEXT:
        folder = tiny_bert_folder
        if TEXT[request.param] is not None:
            config, settings = TEXT[request.param]
            folder = tiny_relative(place, tiny_bert_folder, config, **settings)
        name, settings = "bert", {"checkpoint": str(folder), "pooling": "mean"}
    else:
        case = CASES[request.param]
        name, settings = case.name, {**case.settings, "checkpoint": str(case.checkpoint(place))}
    encoder = registry.build("encoders", name, **settings).eval()
    rows = [torch.as_tensor(encoder.prepare(medium)) for medium in media(encoder.medium)]
    return request.param, encoder, pad(rows, encoder.prepare.fill)


def shake(encoder):
    """Gives what was added values, as training does."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in added_parameters(encoder):
            parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize("kind", SETTINGS)
def test_every_adapter_keeps_the_contract_in_every_encoder(kind, encoder_and_inputs):
    family, original, inputs = encoder_and_inputs
    encoder = copy.deepcopy(original)
    if (kind, family) in REFUSED:
        message = f"{SETTINGS[kind]['type']!r} does not apply to it: {REFUSED[kind, family]}"
        with pytest.raises(InputError, match=message):
            adapt(encoder, SETTINGS[kind], "it")
        return
    adapt(encoder, SETTINGS[kind], "it")
    encoder.eval()
    before, at_first = original(inputs).values, encoder(inputs).values
    # Not bit for bit: what is frozen decides which of its attentions torch takes. A prefix takes attention at once.
    same = torch.allclose(at_first, before, rtol=1e-4, atol=1e-5)
    assert same is (kind != "prefix")
    learning = only_what_should_learns(kind, encoder)
    shake(encoder)
    everything_that_learns_counts(encoder, inputs, learning)
    a_step_moves_nothing_else(encoder, learning)
    assert not torch.allclose(encoder(inputs).values, at_first)
    a_padded_row_is_the_row_alone(encoder, inputs)
    what_is_saved_gives_the_same(kind, original, encoder, inputs)


def only_what_should_learns(kind, encoder):
    learning = {key: p for key, p in encoder.backbone.named_parameters() if p.requires_grad}
    if kind == "bitfit":
        assert learning
        assert all(key.endswith("bias") for key in learning)
    else:
        assert {id(p) for p in learning.values()} == {id(p) for p in added_parameters(encoder)}
    return learning


def everything_that_learns_counts(encoder, inputs, learning):
    """A layer that the encoder reads past would have no gradient: what was added to it would do nothing."""
    encoder(inputs).values.square().sum().backward()
    still = [key for key, p in learning.items() if p.grad is None or not p.grad.any()]
    top = max((int(word) for key in learning for word in key.split(".") if word.isdigit()), default=0)
    assert not [key for key in still if f".{top}." not in key and key.split(".")[-1] != "bias"]


def a_step_moves_nothing_else(encoder, learning):
    before = {key: p.detach().clone() for key, p in encoder.backbone.named_parameters()}
    nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
    torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.1).step()
    encoder.zero_grad()
    moved = {key for key, p in encoder.backbone.named_parameters() if not p.equal(before[key])}
    assert moved
    assert moved <= set(learning)


def a_padded_row_is_the_row_alone(encoder, inputs):
    together = encoder(inputs)
    for number, mask in enumerate(inputs.mask):
        row = inputs.rows(torch.tensor([number]))
        alone = encoder(type(inputs)(row.values[:, : mask.sum()], row.mask[:, : mask.sum()])).values[0]
        torch.testing.assert_close(together.values[number, : len(alone)], alone, rtol=1e-3, atol=1e-4)


def what_is_saved_gives_the_same(kind, original, encoder, inputs):
    again = copy.deepcopy(original)
    adapt(again, SETTINGS[kind], "it")
    again.eval().load_state_dict(encoder.state_dict())
    assert again(inputs).values.equal(encoder(inputs).values)


@pytest.mark.parametrize("kind", ["lora", "adalora"])
def test_merged_adapters_give_equal_outputs(kind, encoder_and_inputs):
    family, original, inputs = encoder_and_inputs
    if (kind, family) in REFUSED:
        return
    encoder = copy.deepcopy(original)
    adapt(encoder, SETTINGS[kind], "it")
    encoder.eval()
    shake(encoder)
    before = encoder(inputs).values
    merge(encoder)
    assert not any(isinstance(module, Added) for module in encoder.modules())
    assert encoder.state_dict().keys() == original.state_dict().keys()
    torch.testing.assert_close(encoder(inputs).values, before, rtol=1e-4, atol=1e-5)


def test_lora_is_the_formula():
    base = nn.Linear(6, 5)
    layer = LowRank(base, 2, 8 / 2)
    nn.init.normal_(layer.up)
    x = torch.randn(3, 6)
    weight = base.weight + 8 / 2 * layer.up @ layer.down
    torch.testing.assert_close(layer(x), x @ weight.T + base.bias)
    assert {id(p) for p in layer.added()} == {id(layer.up), id(layer.down)}


def test_lora_is_that_of_peft():
    peft = pytest.importorskip("peft", exc_type=ImportError)
    torch.manual_seed(0)
    base = nn.Sequential(nn.Linear(6, 5))
    own = LowRank(base[0], 2, 8 / 2)
    nn.init.normal_(own.up)
    theirs = peft.inject_adapter_in_model(peft.LoraConfig(r=2, lora_alpha=8, target_modules=["0"]), copy.deepcopy(base))
    with torch.no_grad():
        theirs[0].lora_A["default"].weight.copy_(own.down)
        theirs[0].lora_B["default"].weight.copy_(own.up)
    x = torch.randn(3, 6)
    torch.testing.assert_close(own(x), theirs(x))


def test_adalora_is_the_formula():
    base = nn.Linear(6, 5)
    layer = Decomposed(base, 3, 4.0)
    x = torch.randn(3, 6)
    torch.testing.assert_close(layer(x), base(x))
    torch.testing.assert_close(layer.lack(), torch.tensor(0.0), atol=1e-5, rtol=0)
    nn.init.normal_(layer.values)
    layer.kept[1] = False
    product = sum(layer.values[n] * torch.outer(layer.left[:, n], layer.right[n]) for n in (0, 2))
    torch.testing.assert_close(layer(x), x @ (base.weight + 4.0 * product).T + base.bias)
    torch.testing.assert_close(layer.difference(), 4.0 * product)
    assert layer.rank() == 2
    nn.init.normal_(layer.left)
    nn.init.normal_(layer.right)
    lack = torch.linalg.matrix_norm(layer.left.T @ layer.left - torch.eye(3)) ** 2
    lack += torch.linalg.matrix_norm(layer.right @ layer.right.T - torch.eye(3)) ** 2
    torch.testing.assert_close(layer.lack(), lack)


@pytest.fixture
def allocation() -> Allocation:
    """AdaLoRA in four layers, and what shares its budget out."""
    torch.manual_seed(0)
    settings = AdaLora(rank=2, start=4, interval=3, warmup=0.2, settled=0.7)
    backbone = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 8), nn.Linear(8, 4))
    settings.insert(backbone)
    return settings.companion(backbone)


def steps_of(allocation, steps):
    """So many steps of a training; yields how many singular values there are after each."""
    backbone = nn.Sequential(*allocation.layers)
    optimizer = torch.optim.AdamW(added_parameters(backbone), lr=0.01)
    inputs, target = torch.randn(32, 8), torch.randn(32, 4)
    for step in range(steps):
        loss = (backbone(inputs) - target).square().mean() + allocation.penalty()
        loss.backward()
        optimizer.step()
        allocation.after_step(step, steps)
        optimizer.zero_grad()
        yield sum(layer.rank() for layer in allocation.layers)


def test_adaloras_rank_budget_is_kept(allocation):
    steps = 40
    ranks = list(steps_of(allocation, steps))
    budgets = [allocation.settings.budget(step + 1, steps, allocation.layers) for step in range(steps)]
    assert budgets[0] == 16
    assert budgets == sorted(budgets, reverse=True)
    assert all(rank <= budget for rank, budget in zip(ranks[2::3], budgets[2::3], strict=True))
    assert ranks[3] == 16  # what was taken away may come back
    assert set(ranks[27:]) == set(budgets[27:]) == {8}
    assert allocation.settled
    assert sum(int(layer.kept.sum()) for layer in allocation.layers) == 8
    assert len({layer.rank() for layer in allocation.layers}) > 1  # not the same everywhere


def test_adalora_takes_away_what_peft_takes_away(allocation):
    layer = pytest.importorskip("peft.tuners.adalora.layer", exc_type=ImportError)
    model, names = nn.Module(), {"left": "lora_B", "values": "lora_E", "right": "lora_A"}
    for number, own in enumerate(allocation.layers):
        for name, theirs in names.items():
            value = getattr(own, name).detach().clone()
            value = value.unsqueeze(1) if name == "values" else value
            parameters = nn.ParameterDict({"default": nn.Parameter(value)})
            model.add_module(f"layer{number}_{theirs}", parameters)
    settings = SimpleNamespace(beta1=0.85, beta2=0.85, target_r=2, tinit=0, tfinal=0, deltaT=1, total_step=100)
    theirs = layer.RankAllocator(model, settings, "default")
    for _ in range(5):
        for number, own in enumerate(allocation.layers):
            for name, other in names.items():
                mine, same = getattr(own, name), getattr(model, f"layer{number}_{other}")["default"]
                same.grad = torch.randn_like(same)
                mine.grad = same.grad.reshape(mine.shape)
                mine.data += 0.1
                same.data += 0.1
        for importance in allocation.importance:
            with torch.no_grad():
                importance.update()
        theirs.update_ipt(model)
    with torch.no_grad():
        allocation.prune(7)
    theirs.mask_to_budget(model, 7)
    for number, own in enumerate(allocation.layers):
        torch.testing.assert_close(own.values, getattr(model, f"layer{number}_lora_E")["default"].squeeze(1))
    assert sum(own.rank() for own in allocation.layers) == 7


class Attention(nn.Module):
    """One attention, as models write it: by torch's own function, or by hand."""

    def __init__(self, by_hand=False):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
        self.by_hand = by_hand

    def forward(self, states, mask):
        q, k, v = (layer(states).unflatten(-1, (2, 4)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        if self.by_hand:
            scores = torch.matmul(q, k.transpose(-1, -2)) / 2 + torch.zeros_like(mask, dtype=q.dtype).masked_fill(
                ~mask, -math.inf
            )
            found = nn.functional.softmax(scores, dim=-1) @ v
        else:
            found = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return found.transpose(1, 2).flatten(-2)


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_prefix_is_the_formula(by_hand):
    torch.manual_seed(0)
    attention, states = Attention(by_hand), torch.randn(3, 5, 8)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]).bool()[:, None, None]
    Prefix(length=2).insert(attention)
    shake(attention)
    keys, values = (
        torch.cat([part.expand(3, -1, -1), layer(states)], dim=1).unflatten(-1, (2, 4)).transpose(1, 2)
        for part, layer in (
            (attention.prefix.keys, attention.key),
            (attention.prefix.values, attention.value),
        )
    )
    queries = attention.query(states).unflatten(-1, (2, 4)).transpose(1, 2)
    scores = queries @ keys.transpose(-1, -2) / 2
    scores = scores.masked_fill(~nn.functional.pad(mask, (2, 0), value=True), -math.inf)
    wanted = (scores.softmax(-1) @ values).transpose(1, 2).flatten(-2)
    torch.testing.assert_close(attention(states, mask), wanted)
    copied = copy.deepcopy(attention)
    nn.init.zeros_(copied.prefix.values)
    assert not torch.allclose(copied(states, mask), wanted)


def test_an_attention_that_no_prefix_reaches_is_refused():
    class Mean(Attention):
        def forward(self, states, mask):
            return self.value(states).mean(1)

    attention = Mean()
    Prefix(length=2).insert(attention)
    with pytest.raises(InputError, match="'prefix' does not apply: Mean does not compute its attention in torch"):
        attention(torch.randn(3, 5, 8), None)


def test_a_bottleneck_is_the_formula():
    base = nn.Linear(6, 5)
    layer = Narrowed(base, 2)
    nn.init.normal_(layer.up.weight)
    x = torch.randn(3, 6)
    y = base(x)
    narrow = nn.functional.gelu(y @ layer.down.weight.T + layer.down.bias)
    torch.testing.assert_close(layer(x), y + narrow @ layer.up.weight.T)
    with pytest.raises(InputError, match="not linear and cannot be merged"):
        merge(nn.Sequential(layer))


@pytest.fixture
def config(tiny_bert_folder, sst2_folder) -> Config:
    return config_of(tiny_bert_folder, sst2_folder)


def config_of(folder, corpus) -> Config:
    """A short training of a BERT."""
    base = Config(corpus=CorpusConfig(name="sst2", root=str(corpus)))
    base.model.encoders = {"text": {"type": "bert", "checkpoint": str(folder), "pooling": "mean"}}
    fixed = ("epochs=2", "learning_rate=1e-2", "head_learning_rate=1e-2", "precision=32", "logger=none")
    return configuration.with_settings(base, [f"training.{setting}" for setting in fixed])


@pytest.mark.parametrize("kind", SETTINGS)
def test_an_adapted_run_loads_again_with_equal_scores(kind, config, tmp_path):
    config.model.encoders["text"]["adapter"] = SETTINGS[kind]
    run = runs.train(config, tmp_path / "run", progress=False)
    counts = run.report["train"]["parameters"]
    assert 0 < counts["trained"] < 0.3 * counts["all"]
    written = (run.folder / "model" / "model.safetensors").stat().st_size
    # The rest of the file is its header.
    assert 0.9 * written < run.report["train"]["checkpoint_bytes"] < written
    assert run.report["train"]["loss"][-1] < run.report["train"]["loss"][0]
    again = runs.evaluate(run.folder, "sst2", config.corpus.root, split="validation")
    assert again["splits"]["validation"]["accuracy"] == run.report["splits"]["validation"]["accuracy"]
    loaded = checkpoint.load(run.folder)
    assert loaded.settings.encoders["text"]["adapter"] == SETTINGS[kind]
    for name, tensor in run.trained.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)


def logits(trained):
    """What a model says of two sentences."""
    return trained.model({"text": pad([torch.tensor([2, 70, 71, 3]), torch.tensor([2, 75, 3])])}).logits


@pytest.fixture(scope="module")
def two(tiny_bert_folder, sst2_folder, tmp_path_factory):
    """The runs of two adapters on one base."""
    place, found = tmp_path_factory.mktemp("two"), []
    for kind in ("lora", "bitfit"):
        config = config_of(tiny_bert_folder, sst2_folder)
        config.model.encoders["text"]["adapter"] = SETTINGS[kind]
        found.append(runs.train(config, place / kind, progress=False))
    return found


def test_an_adapters_folder_holds_what_was_trained_and_goes_back_on_its_base(two, tiny_bert_folder):
    for run in two:
        place = run.folder / "adapter"
        assert {path.name for path in place.iterdir()} == {"config.json", "model.safetensors"}
        assert (place / "model.safetensors").stat().st_size == run.report["train"]["adapter_bytes"]
        assert run.report["train"]["adapter_bytes"] < 0.3 * run.report["train"]["checkpoint_bytes"]
        loaded = checkpoint.load(place, base={"text": str(tiny_bert_folder)})
        assert logits(loaded).equal(logits(checkpoint.load(run.folder)))
    stated = json.loads((place / "config.json").read_text())["bases"]["text"]
    assert stated == {"checkpoint": "checkpoint", "local": True, "sha256": loaded.bases["text"].sha256}
    assert str(tiny_bert_folder) not in json.dumps(stated)


def test_adapters_on_one_base_are_switched_without_reading_it_again(two, tiny_bert_folder, monkeypatch):
    from multimodal_emotion.encoders import bert

    lora = checkpoint.load(two[0].folder / "adapter", base={"text": str(tiny_bert_folder)})
    first = logits(lora)
    read, load = [], bert.load_backbone
    monkeypatch.setattr(bert, "load_backbone", lambda *given: read.append(given[2]) or load(*given))
    bitfit = checkpoint.load(two[1].folder / "adapter", base=lora)
    assert read == [False]
    assert logits(bitfit).equal(logits(checkpoint.load(two[1].folder)))
    again = checkpoint.load(two[0].folder / "adapter", base=bitfit)
    assert logits(again).equal(first)
    assert logits(lora).equal(first)
    embeddings = [it.model.encoder("text").backbone.embeddings.word_embeddings.weight for it in (lora, bitfit, again)]
    assert len({weight.data_ptr() for weight in embeddings}) == 1
    checkpoint.merge(again)
    assert logits(lora).equal(first)  # what is shared is not changed


def test_an_adapter_is_saved_again_from_what_was_loaded(two, tiny_bert_folder, tmp_path):
    run = two[0]
    loaded = checkpoint.load(run.folder / "adapter", base={"text": str(tiny_bert_folder)})
    checkpoint.save_adapter(loaded, tmp_path / "again")
    files = [folder / "model.safetensors" for folder in (run.folder / "adapter", tmp_path / "again")]
    assert files[0].read_bytes() == files[1].read_bytes()
    whole = checkpoint.load(run.folder)
    checkpoint.save_adapter(whole, tmp_path / "whole", base={"text": str(tiny_bert_folder)})
    assert load_file(tmp_path / "whole" / "model.safetensors").keys() == load_file(files[0]).keys()
    checkpoint.save(loaded, tmp_path / "model")
    assert logits(checkpoint.load(tmp_path / "model")).equal(logits(whole))


def test_another_base_is_refused_by_name(two, tiny_bert_folder, tmp_path):
    folder, other = two[0].folder / "adapter", tiny_bert(tmp_path / "other", seed=1)
    message = r"adapter: text was made for checkpoint \(hash [0-9a-f]{12}\), this is .*other \(hash [0-9a-f]{12}\)"
    with pytest.raises(InputError, match=message):
        checkpoint.load(folder, base={"text": str(other)})
    with pytest.raises(InputError, match=r"unknown base 'txt' in .*; did you mean 'text'"):
        checkpoint.load(folder, base={"txt": str(other)})
    with pytest.raises(InputError, match=r"unknown base 'text' in .*; known: none"):
        checkpoint.load(two[0].folder, base={"text": str(other)})
    with pytest.raises(InputError, match=r"was made for the folder 'checkpoint' \(hash .*\), which must be named"):
        checkpoint.load(folder)
    config = config_of(other, two[0].config.corpus.root)
    config.model.encoders["text"]["adapter"] = SETTINGS["lora"]
    run = runs.train(config, tmp_path / "run", progress=False)
    loaded = checkpoint.load(run.folder / "adapter", base={"text": str(other)})
    with pytest.raises(InputError, match=message):
        checkpoint.load(folder, base=loaded)
    wide = tiny_relative(tmp_path / "wide", tiny_bert_folder, RobertaConfig, hidden_size=48)
    with pytest.raises(InputError, match=r"text was not trained on .*wide; name its base: text=CHECKPOINT"):
        checkpoint.save_adapter(checkpoint.load(run.folder), tmp_path / "no", base={"text": str(wide)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint": "../../etc", "local": False}, "was made for '../../etc', which is no name of a checkpoint"),
        ({"checkpoint": "/etc", "local": False}, "was made for '/etc', which is no name of a checkpoint"),
        ({"checkpoint": "os:system", "local": False}, "not a folder; it must be one, or a name of the model hub"),
        ({"sha256": 3, "local": False, "checkpoint": "some-body/bert"}, "'some-body/bert' is not here"),
    ],
)
def test_a_strangers_adapter_cannot_leave_its_folder(change, message, two, tmp_path):
    shutil.copytree(two[0].folder / "adapter", tmp_path / "adapter")
    path = tmp_path / "adapter" / "config.json"
    data = json.loads(path.read_text())
    data["bases"]["text"] |= change
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message):
        checkpoint.load(tmp_path / "adapter")
    for strange in ({"bases": [3]}, {"model": {"encoders": {"text": {}}}}):
        path.write_text(json.dumps({**data, **strange}))
        with pytest.raises(InputError, match="not a model of this package"):
            checkpoint.load(tmp_path / "adapter")


def test_the_command_merge_gives_a_plain_model_with_equal_outputs(two, tiny_bert_folder, tmp_path, capsys):
    lora, bitfit = two
    command = ["merge", str(lora.folder / "adapter"), "--base", f"text={tiny_bert_folder}"]
    assert cli.main([*command, "--output", str(tmp_path / "merged")]) == 0
    merged = checkpoint.load(tmp_path / "merged")
    assert "adapter" not in merged.settings.encoders["text"]
    torch.testing.assert_close(logits(merged), logits(checkpoint.load(lora.folder)))
    with pytest.raises(InputError, match="no adapter"):
        checkpoint.merge(merged)
    assert cli.main([*command, "--output", str(tmp_path / "merged")]) == 2
    assert "already holds something" in capsys.readouterr().err
    assert cli.main(["merge", str(bitfit.folder), "--output", str(tmp_path / "bitfit")]) == 0
    assert logits(checkpoint.load(tmp_path / "bitfit")).equal(logits(checkpoint.load(bitfit.folder)))


def test_a_training_with_adalora_that_is_interrupted_ends_the_same(config, tmp_path, monkeypatch):
    adapter = {"type": "adalora", "rank": 2, "interval": 2}
    config.model.encoders["text"]["adapter"] = adapter
    config = configuration.with_settings(config, ["training.save_every=0", "corpus.limit=96"])
    whole = runs.train(config, tmp_path / "whole", progress=False)
    step = training.Fit.step

    def until_the_third(self, batch, number):
        if number == 2:
            raise KeyboardInterrupt
        return step(self, batch, number)

    monkeypatch.setattr(training.Fit, "step", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        runs.train(config, tmp_path / "stopped", progress=False)
    monkeypatch.undo()
    resumed = runs.resume(tmp_path / "stopped", progress=False)
    states = [run.trained.model.state_dict() for run in (whole, resumed)]
    assert all(states[0][name].equal(states[1][name]) for name in states[0])
    layers = [it for it in resumed.trained.model.modules() if isinstance(it, Decomposed)]
    assert sum(int(layer.kept.sum()) for layer in layers) == 2 * len(layers)


def test_what_is_added_learns_as_fast_as_the_head(config):
    config.model.encoders["text"]["adapter"] = SETTINGS["lora"]
    config.training.learning_rate = 1e-5
    splits = runs.read_splits(config)
    trained = runs.assemble(config, runs.task_for(config, splits.corpus), splits.train)
    assert {group["lr"] for group in parameter_groups(trained.model, config.training)} == {1e-2}


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ("{type: lroa}", "did you mean 'lora'"),
        ("{type: lora, rnk: 3}", "did you mean 'rank'"),
        ("{type: lora, rank: 0}", "rank of adapters/lora is 0; it must be at least 1"),
        ("{type: lora, rank: 1.5}", "rank in .* is 1.5; it must be int"),
        ("{type: lora, alpha: -1}", "alpha of adapters/lora is -1.0; it must be at least 0"),
        ("{type: lora, dropout: 1}", "dropout of adapters/lora is 1.0; it must be at least 0 and at most 0.99"),
        ("{type: lora, targets: query}", r"targets in .* is 'query'; it must be list"),
        ("{type: adalora, start: 4}", "start of adapters/adalora is 4; it must be at least 8"),
        ("{type: adalora, warmup: 0.6}", "warmup of adapters/adalora is 0.6; it must be at least 0 and at most 0.5"),
        ("{type: adalora, settled: 1.5}", "settled of adapters/adalora is 1.5; it must be at least 0 and at most 1"),
        ("{type: prefix, length: 0}", "length of adapters/prefix is 0; it must be at least 1"),
        ("{type: bottleneck, placement: top}", "unknown placement 'top'"),
        ("{type: bottleneck, size: 0}", "size of adapters/bottleneck is 0"),
        ("{rank: 3}", "has no type"),
        ("3", "must be a mapping such as"),
    ],
)
def test_a_bad_adapter_is_refused_by_name(adapter, message, config):
    with pytest.raises(InputError, match=message):
        configuration.with_settings(config, [f"model.encoders.text.adapter={adapter}"])


def test_numbers_in_text_become_numbers(config):
    config = configuration.with_settings(config, ["model.encoders.text.adapter={type: lora, alpha: 1e-2}"])
    assert config.model.encoders["text"]["adapter"] == {"type": "lora", "alpha": 0.01}


@pytest.mark.parametrize("freeze", ["all", "{text: all}"])
def test_an_adapter_of_a_frozen_encoder_is_refused(freeze, config):
    with pytest.raises(InputError, match=r"nothing to adapt: training\.freeze is all for text"):
        configuration.with_settings(config, ["model.encoders.text.adapter={type: lora}", f"training.freeze={freeze}"])


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ({"type": "lora", "rank": 33}, "model.encoders.text: rank 33 is above the width 32 of encoder.layer.0"),
        ({"type": "adalora", "rank": 33}, "model.encoders.text: rank 33 is above the width 32 of encoder.layer.0"),
        ({"type": "adalora", "rank": 8, "start": 40}, "rank 40 is above the width 32 of encoder.layer.0"),
        ({"type": "lora", "targets": ["qkv"]}, "no linear layer whose name ends in qkv; its linear layers: dense, key"),
        ({"type": "bottleneck", "size": 64}, "size 64 is above the width 32"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_before_weights_are_loaded(adapter, message, config, monkeypatch):
    from multimodal_emotion.encoders import bert

    loaded = []
    load = bert.load_backbone
    monkeypatch.setattr(bert, "load_backbone", lambda *given: loaded.append(given[2]) or load(*given))
    config.model.encoders["text"]["adapter"] = adapter
    splits = runs.read_splits(config)
    with pytest.raises(InputError, match=message):
        runs.assemble(config, runs.task_for(config, splits.corpus), splits.train)
    assert loaded == [False]


@pytest.mark.parametrize("kind", registry.names("adapters"))
def test_an_encoder_without_a_pretrained_part_is_refused(kind):
    encoder = registry.build("encoders", "prosody")
    with pytest.raises(InputError, match=f"{kind!r} does not apply to audio: it has no pretrained part"):
        adapt(encoder, {"type": kind}, "audio")

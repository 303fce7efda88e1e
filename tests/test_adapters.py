import copy

import pytest
import torch
from tiny_encoders import CASES, media
from torch import nn

from multimodal_emotion import checkpoint, registry, runs
from multimodal_emotion import config as configuration
from multimodal_emotion.adapters._base import Adapted, adapt, added_parameters, merge
from multimodal_emotion.adapters.bottleneck import Narrowed
from multimodal_emotion.adapters.lora import LowRank
from multimodal_emotion.batch import pad
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.optimisation import parameter_groups

SETTINGS = {
    "lora": {"type": "lora", "rank": 4},
    "houlsby": {"type": "bottleneck", "size": 4},
    "pfeiffer": {"type": "bottleneck", "size": 4, "placement": "feed_forward"},
    "bitfit": {"type": "bitfit"},
}
PRETRAINED = ("wav2vec2 group", "hubert layer", "wavlm", "whisper all", "timm vit", "dinov2", "transformers vit")


@pytest.fixture(scope="module", params=["bert", *PRETRAINED])
def encoder_and_inputs(request, tiny_bert_folder, tmp_path_factory):
    """A tiny encoder of each family in evaluation mode, and a batch for it."""
    if request.param == "bert":
        name, settings = "bert", {"checkpoint": str(tiny_bert_folder), "pooling": "mean"}
    else:
        case = CASES[request.param]
        folder = case.checkpoint(tmp_path_factory.mktemp("checkpoint") / "it")
        name, settings = case.name, {**case.settings, "checkpoint": str(folder)}
    encoder = registry.build("encoders", name, **settings).eval()
    rows = [torch.as_tensor(encoder.prepare(medium)) for medium in media(encoder.medium)]
    return name, encoder, pad(rows, encoder.prepare.fill)


def shake(encoder):
    """Gives what was added values, as training does."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in added_parameters(encoder):
            parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize("kind", SETTINGS)
def test_an_adapter_changes_nothing_at_first_and_alone_learns(kind, encoder_and_inputs):
    _, original, inputs = encoder_and_inputs
    encoder = copy.deepcopy(original)
    if kind == "houlsby" and "WavLM" in type(encoder.backbone).__name__:
        with pytest.raises(InputError, match=r"'bottleneck' does not apply to it: .* its attention"):
            adapt(encoder, SETTINGS[kind], "it")
        return
    adapt(encoder, SETTINGS[kind], "it")
    encoder.eval()
    before = original(inputs).values
    # Not bit for bit: what is frozen decides which of its attentions torch takes.
    torch.testing.assert_close(encoder(inputs).values, before, rtol=1e-5, atol=1e-6)
    learning = {key: p for key, p in encoder.backbone.named_parameters() if p.requires_grad}
    if kind == "bitfit":
        assert all(key.endswith("bias") for key in learning)
        return
    assert {id(p) for p in learning.values()} == {id(p) for p in added_parameters(encoder)}
    shake(encoder)
    after = encoder(inputs).values
    assert not torch.allclose(after, before)
    after.square().sum().backward()
    # A layer that the encoder reads past would have no gradient: what was added to it would do nothing.
    ups = [key for key, p in learning.items() if "up" in key.split(".") and (p.grad is None or not p.grad.any())]
    top = max((int(word) for key in learning for word in key.split(".") if word.isdigit()), default=0)
    assert not [key for key in ups if f".{top}." not in key]


def test_merged_lora_gives_equal_outputs(encoder_and_inputs):
    _, original, inputs = encoder_and_inputs
    encoder = copy.deepcopy(original)
    adapt(encoder, SETTINGS["lora"], "it")
    encoder.eval()
    shake(encoder)
    before = encoder(inputs).values
    merge(encoder)
    assert not any(isinstance(module, Adapted) for module in encoder.modules())
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
    base = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_folder)))
    base.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"}}
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


def test_a_merged_run_is_a_plain_one_with_equal_outputs(config, tmp_path):
    config.model.encoders["text"]["adapter"] = SETTINGS["lora"]
    run = runs.train(config, tmp_path / "run", progress=False)
    merged = checkpoint.merge(checkpoint.load(run.folder))
    assert "adapter" not in merged.settings.encoders["text"]
    checkpoint.save(merged, tmp_path / "merged")
    first, second = (checkpoint.load(folder).model for folder in (run.folder, tmp_path / "merged"))
    inputs = {"text": pad([torch.tensor([2, 70, 71, 3]), torch.tensor([2, 75, 3])])}
    torch.testing.assert_close(first(inputs).logits, second(inputs).logits)
    with pytest.raises(InputError, match="no adapter"):
        checkpoint.merge(merged)


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


@pytest.mark.parametrize("kind", ["lora", "bottleneck", "bitfit"])
def test_an_encoder_without_a_pretrained_part_is_refused(kind):
    encoder = registry.build("encoders", "prosody")
    with pytest.raises(InputError, match=f"{kind!r} does not apply to audio: it has no pretrained part"):
        adapt(encoder, {"type": kind}, "audio")

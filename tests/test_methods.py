import math

import pytest
import torch
from tiny_encoders import CASES, media
from torch import nn

from multimodal_emotion import config as configuration
from multimodal_emotion import registry, runs
from multimodal_emotion.batch import Batch, pad
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.methods._base import Step, divergence
from multimodal_emotion.methods._entrances import adding, entrances, first_layer, norm
from multimodal_emotion.methods.fgm import Fgm
from multimodal_emotion.methods.gradual import Gradual
from multimodal_emotion.methods.mixup import Mixup, mixing
from multimodal_emotion.methods.pgd import Pgd
from multimodal_emotion.methods.r_drop import RDrop
from multimodal_emotion.methods.virtual_adversarial import VirtualAdversarial
from multimodal_emotion.optimisation import freeze

NAMES = registry.names("methods")


@pytest.fixture
def config(tiny_bert_folder, sst2_folder) -> Config:
    base = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_folder), limit=64))
    base.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"}}
    fixed = ("epochs=3", "learning_rate=1e-2", "head_learning_rate=1e-2", "precision=32", "logger=none", "save_every=0")
    return configuration.with_settings(base, [f"training.{setting}" for setting in fixed])


@pytest.fixture(scope="session")
def former(tiny_bert_folder, sst2_folder, tmp_path_factory) -> str:
    """A finished run."""
    base = Config(corpus=CorpusConfig(name="sst2", root=str(sst2_folder)))
    base.model.encoders = {"text": {"type": "bert", "checkpoint": str(tiny_bert_folder), "pooling": "mean"}}
    fixed = ("epochs=3", "learning_rate=1e-2", "head_learning_rate=1e-2", "precision=32", "logger=none")
    base = configuration.with_settings(base, [f"training.{setting}" for setting in fixed])
    return str(runs.train(base, tmp_path_factory.mktemp("former") / "run", progress=False).folder)


@pytest.fixture
def trained(config):
    splits = runs.read_splits(config)
    return runs.assemble(config, runs.task_for(config, splits.corpus), splits.train)


@pytest.fixture
def step(trained) -> Step:
    """A step of three sentences, in training mode, so with dropout."""
    rows = [torch.tensor(ids) for ids in ([2, 70, 71, 75, 3], [2, 80, 3], [2, 90, 77, 3])]
    target = trained.task.collate([trained.task.target(u) for u in labelled("positive", "negative", "positive")])
    batch = Batch({"text": pad(rows)}, target, ["a", "b", "c"])
    trained.model.train()
    return Step(
        trained.model,
        trained.task,
        batch,
        7,
        lambda: trained.model(batch.inputs),
        lambda output, wanted: trained.task.loss(output.logits, wanted).mean(),
    )


def labelled(*labels):
    from multimodal_emotion.batch import Utterance

    return [Utterance(id=str(number), text="x", label=label) for number, label in enumerate(labels)]


def first_states(step):
    """What the word embeddings give."""
    with adding(entrances(step.model, "fgm"), lambda call, given: torch.zeros_like(given)) as (given, _):
        step.again()
    return given[0]


def test_what_fgm_adds_has_the_stated_length_and_points_uphill_and_is_gone_afterwards(step):
    method = Fgm(epsilon=0.2)
    before = step.again().logits.detach()
    (delta,) = method.attack(step)
    torch.testing.assert_close(norm(delta), 0.2 * norm(first_states(step)))
    with adding(entrances(step.model, "fgm"), lambda call, given: torch.zeros_like(given).requires_grad_()) as (
        _,
        zero,
    ):
        loss = step.measure(step.again(), step.target)
    (gradient,) = torch.autograd.grad(loss, zero)
    cosine = (delta * gradient).flatten(1).sum(1) / (norm(delta) * norm(gradient)).flatten()
    torch.testing.assert_close(cosine, torch.ones(3))
    assert method.extra(step) > step.loss
    assert torch.equal(step.again().logits, before)
    assert all(p.grad is None for p in step.model.parameters())


def test_pgd_stays_within_its_ball_and_finds_more_than_fgm_there(step):
    """Three strides of half the radius leave the ball, and are brought back to it."""
    method = Pgd(epsilon=0.1, steps=3, stride=0.05)
    (delta,) = method.attack(step)
    limit = 0.1 * norm(first_states(step))
    assert (norm(delta) <= limit * (1 + 1e-5)).all()
    (one,) = Pgd(epsilon=0.1, steps=1, stride=0.05).attack(step)
    torch.testing.assert_close(norm(one), limit / 2)
    assert method.extra(step) >= Pgd(epsilon=0.1, steps=1, stride=0.05).extra(step) > step.loss


def test_virtual_adversarial_training_needs_no_labels_and_beats_a_random_direction(step):
    method = VirtualAdversarial(epsilon=0.2)
    found = method.extra(step)
    said = step.output.logits.detach()
    layers = entrances(step.model, "virtual_adversarial")
    randomly = []
    for seed in range(20):
        with adding(layers, lambda call, given, seed=seed: rescaled(method.random(seed, given), 0.2 * norm(given))):
            randomly.append(step.divergence(said, step.again().logits).item())
    assert found > max(randomly) > 0
    found.backward()
    assert any(p.grad is not None and p.grad.any() for p in step.model.encoders.parameters())
    step.batch = Batch(step.batch.inputs, None, step.batch.ids)
    assert method.extra(step).equal(found)


def rescaled(direction, length):
    return direction * length / norm(direction)


def test_r_drop_is_the_formula(step):
    extra = RDrop(alpha=2.0).extra(step)
    first = step.again().logits
    second = step.run().logits
    p, q = first.softmax(dim=-1), second.softmax(dim=-1)
    assert not torch.equal(p, q)
    symmetric = ((p - q) * (p.log() - q.log())).sum(dim=-1).mean() / 2
    loss = step.task.loss(second, step.target).mean()
    torch.testing.assert_close(extra, loss + 2 * symmetric)


def test_mixup_mixes_vectors_and_losses(step):
    step.model.eval()
    with torch.no_grad():
        vectors = []
        handle = step.model.head.register_forward_pre_hook(lambda _, inputs: vectors.append(inputs[0]))
        step.again()
        handle.remove()
        other = torch.tensor([1, 2, 0])
        with mixing(step.model.head, 0.3, other):
            mixed = step.again().logits
        # The head is linear: it says of the mixture the mixture of what it says.
        plain = step.again().logits
        torch.testing.assert_close(mixed, 0.3 * plain + 0.7 * plain[other])
        torch.testing.assert_close(step.model.head(0.3 * vectors[0] + 0.7 * vectors[0][other]), mixed)
    same = Mixup(alpha=1.0)
    step.batch = Batch(
        {"text": pad([torch.tensor([2, 70, 3])] * 3)}, step.target[:1].expand_as(step.target).clone(), list("abc")
    )
    step.run = lambda: step.model(step.batch.inputs)
    torch.testing.assert_close(same.extra(step), step.measure(step.run(), step.target))


def test_gradual_unfreezing_goes_from_the_top_and_leaves_what_is_frozen(trained):
    freeze(trained.model, {"text": 1})
    method = Gradual()
    method.check(trained.model, trained.task)
    backbone = trained.model.encoders["text"].backbone

    def learning():
        parts = {"top": backbone.encoder.layer[1], "below": backbone.encoder.layer[0], "words": backbone.embeddings}
        return [name for name, part in parts.items() if all(p.requires_grad for p in part.parameters())]

    expected = [[], ["top"], ["top", "below"], ["top", "below"]]
    for epoch in (0, 1, 2, 3, 1):
        method.begin(trained.model, epoch)
        assert learning() == expected[epoch]
    assert all(p.requires_grad for p in trained.model.head.parameters())


@pytest.mark.parametrize("space", ["probability", "independent", "value"])
def test_divergence_is_that_of_torch(space):
    first, second = torch.randn(2, 4, 3)
    found = divergence(space, first, second)
    if space == "value":
        theirs = [torch.distributions.Normal(values, 1.0) for values in (first, second)]
        expected = torch.distributions.kl_divergence(*theirs).sum(-1)
    elif space == "independent":
        theirs = [torch.distributions.Bernoulli(logits=logits) for logits in (first, second)]
        expected = torch.distributions.kl_divergence(*theirs).sum(-1)
    else:
        theirs = [torch.distributions.Categorical(logits=logits) for logits in (first, second)]
        expected = torch.distributions.kl_divergence(*theirs)
    torch.testing.assert_close(found, expected)
    assert divergence(space, first, first).abs().max() < 1e-6


@pytest.mark.parametrize("names", [*([name] for name in NAMES), ["fgm", "r_drop", "gradual"]], ids="+".join)
def test_a_training_with_it_continues_to_the_same_weights(names, config, former, tmp_path, monkeypatch):
    """Interrupted in the middle of an epoch; bit for bit."""
    from multimodal_emotion.training import Fit

    needs = {
        "ewc": {"run": former, "count": 8},
        "replay": {"run": former},
        "distillation": {"teacher": former, "hidden": 1.0},
    }
    config.training.methods = {name: needs.get(name, {}) for name in names}
    whole = runs.train(config, tmp_path / "whole", progress=False)
    save, left = Fit.save_state, [6]

    def save_then_stop(self, *position):
        save(self, *position)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Fit, "save_state", save_then_stop)
    with pytest.raises(KeyboardInterrupt):
        runs.train(config, tmp_path / "stopped", progress=False)
    monkeypatch.setattr(Fit, "save_state", save)
    resumed = runs.resume(tmp_path / "stopped", progress=False)
    states = [run.trained.model.state_dict() for run in (whole, resumed)]
    assert all(states[0][name].equal(states[1][name]) for name in states[0])
    assert whole.report["train"]["loss"] == pytest.approx(resumed.report["train"]["loss"], rel=1e-9)
    assert all(math.isfinite(loss) for loss in whole.report["train"]["loss"])
    config.training.methods = {}
    plain = runs.train(config, tmp_path / "plain", progress=False)
    assert not all(tensor.equal(states[0][name]) for name, tensor in plain.trained.model.state_dict().items())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.methods={fgn: {}}", "did you mean 'fgm'"),
        ("training.methods={fgm: {epsilonn: 1}}", "did you mean 'epsilon'"),
        (
            "training.methods.fgm.epsilon=3",
            r"training\.methods\.fgm\.epsilon is 3.0; it must be at least 0 and at most 1",
        ),
        ("training.methods.fgm=0.1", "must be a mapping of its settings"),
        ("training.methods.pgd.steps=0", r"training\.methods\.pgd\.steps is 0; it must be at least 1"),
        ("training.methods.pgd.steps=x", "steps in .* is 'x'; it must be int"),
        ("training.methods.mixup.alpha=0", r"training\.methods\.mixup\.alpha is 0.0"),
        ("training.methods.virtual_adversarial.probe=0", "probe is 0.0; it must be at least 1e-06"),
        ("training.methods.r_drop.alpha=-1", r"r_drop\.alpha is -1.0; it must be at least 0"),
        ("training.methods.gradual.blocks=0", "blocks is 0; it must be at least 1"),
    ],
)
def test_a_bad_method_is_refused_by_name(setting, message):
    with pytest.raises(InputError, match=message):
        configuration.with_settings(Config(), [setting])


def test_methods_need_the_gradient():
    with pytest.raises(InputError, match=r"needs training\.solver gradient"):
        configuration.with_settings(Config(), ["training.methods={fgm: {}}", "training.solver=discriminant"])


@pytest.mark.parametrize("name", ["fgm", "pgd", "virtual_adversarial", "gradual"])
def test_a_method_for_encoders_refuses_frozen_ones(name, config, tmp_path):
    config.training.methods, config.training.freeze, config.training.cache = {name: {}}, "all", False
    with pytest.raises(InputError, match=rf"training\.methods\.{name} has nothing to .*: every encoder is frozen"):
        runs.train(config, tmp_path / "run", progress=False)


def test_mixup_refuses_several_heads(config, tmp_path):
    config.training.methods, config.model.auxiliary = {"mixup": {}}, 1.0
    with pytest.raises(InputError, match="mixes the fused vector; this model decides for each modality"):
        runs.train(config, tmp_path / "run", progress=False)


@pytest.mark.parametrize("case", ["wav2vec2 group", "wavlm", "whisper all", "timm vit", "timm convnext", "dinov2"])
def test_sound_and_pictures_are_perturbed_in_their_first_layer(case, tmp_path):
    case = CASES[case]
    encoder = registry.build("encoders", case.name, checkpoint=str(case.checkpoint(tmp_path / "it")), **case.settings)
    inputs = pad([torch.as_tensor(encoder.prepare(medium)) for medium in media(encoder.medium)])
    first = first_layer(encoder.backbone)
    with adding([first], lambda call, given: torch.zeros_like(given).requires_grad_()) as (_, added):
        encoder(inputs).values.square().sum().backward()
    assert added
    # A part of a padded batch that is beyond the end of a clip has no gradient there, but every part has one somewhere.
    assert all(delta.grad.any() for delta in added)
    assert added[0].grad.flatten(1).any(dim=1).all()
    assert not first._forward_hooks


def test_words_are_perturbed_in_their_embeddings(trained):
    (layer,) = entrances(trained.model, "fgm")
    assert isinstance(layer, nn.Embedding)
    assert layer is trained.model.encoders["text"].backbone.get_input_embeddings()

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import sentences
from tiny_encoders import CASES, media
from torch import nn
from torch.nn import functional

from multimodal_emotion import config as configuration
from multimodal_emotion import registry, runs
from multimodal_emotion.batch import Batch, MaskedSequence, Utterance, pad
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.loading import Rows
from multimodal_emotion.methods._base import Step, divergence
from multimodal_emotion.methods._entrances import adding, entrances, first_layer, norm, those, zeros
from multimodal_emotion.methods._unlabelled import read_unlabelled
from multimodal_emotion.methods.domain_adversarial import DomainAdversarial, reversed_gradient
from multimodal_emotion.methods.fgm import Fgm
from multimodal_emotion.methods.freelb import FreeLb, random_start
from multimodal_emotion.methods.gradual import Gradual
from multimodal_emotion.methods.mixup import Mixup, mixed, mixing, mixing_encoded, partners
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


@pytest.fixture(scope="session")
def spoken(tmp_path_factory) -> str:
    """A table of sentences by four speakers."""
    path = tmp_path_factory.mktemp("spoken") / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "speaker", "split"])
        for number, (text, label) in enumerate(sentences(96, 4)):
            writer.writerow([number, text, label, f"s{number % 4}", "train" if number < 64 else "validation"])
    return str(path)


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
        lambda given: trained.model(given.inputs),
        lambda output, wanted, given: trained.task.loss(output.logits, wanted).mean(),
        entrances=entrances(trained.model, "fgm"),
    )


def labelled(*labels):
    return [Utterance(id=str(number), text="x", label=label) for number, label in enumerate(labels)]


def first_states(step):
    """What the word embeddings give."""
    with adding(step.entrances, zeros) as (given, _):
        step.again()
    return given[0]


def test_what_fgm_adds_has_the_stated_length_and_points_uphill_and_is_gone_afterwards(step):
    method = Fgm(epsilon=0.2)
    before = step.again().logits.detach()
    (delta,) = method.attack(step)
    torch.testing.assert_close(norm(delta), 0.2 * norm(first_states(step)))
    with adding(step.entrances, zeros) as (_, zero):
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


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("steps", [1, 3])
def test_the_first_step_uphill_costs_no_pass_of_its_own(step, steps, at_once):
    """The gradients of the weights are those of the plain loss and of the loss under the perturbation, added up."""
    method = Pgd(epsilon=0.1, steps=steps, stride=0.05)
    weights = dict(step.model.named_parameters())
    delta, expected = torch.zeros_like(first_states(step)), {}
    for number in range(steps + 1):
        with adding(step.entrances, those([delta.detach().requires_grad_()])) as (given, added):
            loss = step.measure(step.again(), step.target)
        if number in (0, steps):
            found = torch.autograd.grad(loss, list(weights.values()), retain_graph=True, allow_unused=True)
            for name, gradient in zip(weights, found, strict=True):
                expected[name] = expected.get(name, 0) + (0 if gradient is None else gradient)
        (uphill,) = torch.autograd.grad(loss, added)
        (delta,) = method.climbed(given, [delta], [uphill])
    passes = []
    own = replace(step, forward=lambda batch: passes.append(1) or step.forward(batch))
    if at_once:
        own.learn_plain()
        assert not own.loss.requires_grad
    extra = method.extra(own)
    (extra if at_once else extra + own.loss).backward()
    assert len(passes) == steps + 1
    for name, weight in weights.items():
        found = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(found, expected[name] + torch.zeros_like(weight))


@pytest.mark.parametrize("others", [{}, {"r_drop": {}}, {"virtual_adversarial": {}}], ids=str)
def test_a_training_takes_the_gradient_of_the_plain_loss_once(others, config, trained):
    """Under a perturbation without length the loss is the plain one: FGM adds its gradient once more, beside any method."""
    from multimodal_emotion.training import Fit

    rows = Rows(runs.read_splits(config).train, trained.preparations, trained.task)

    def gradients(**methods):
        settings = replace(config.training, methods=methods)
        fit = Fit(trained, rows, None, settings, progress=False)
        trained.model.train()
        loss = fit.loss(fit.collate([rows[number] for number in range(8)]), 7)
        loss.backward()
        found = {
            name: weight.grad.clone() for name, weight in trained.model.named_parameters() if weight.grad is not None
        }
        trained.model.zero_grad()
        return found

    plain, rest = gradients(), gradients(**others)
    both = gradients(fgm={"epsilon": 0}, **others)
    assert both
    for name, gradient in both.items():
        torch.testing.assert_close(gradient, plain[name] + rest[name])


def test_freelb_is_the_mean_of_the_losses_on_the_way_uphill(step):
    """Each loss and its gradient as PGD's way from the same start would give them."""
    method = FreeLb(epsilon=0.2, steps=3, stride=0.1)
    layers = entrances(step.model, "freelb")
    given = first_states(step)
    delta, limit = random_start(step.seed, given, 0.2), 0.2 * norm(given)
    losses, lengths = [], []
    for _ in range(3):
        with adding(layers, those([delta.detach().requires_grad_()])) as (_, added):
            losses.append(step.measure(step.again(), step.target))
        (uphill,) = torch.autograd.grad(losses[-1], added, retain_graph=True)
        lengths.append(norm(delta))
        delta = delta + 0.1 * norm(given) * uphill / norm(uphill)
        delta = delta * (limit / norm(delta)).clamp(max=1)
    assert all((length <= limit * (1 + 1e-5)).all() for length in lengths)
    assert losses[0] < losses[1] < losses[2]
    mean = torch.stack(losses).mean()
    parameters = list(step.model.parameters())
    expected = torch.autograd.grad(mean, parameters, allow_unused=True)
    found = method.extra(step)
    assert not found.requires_grad
    torch.testing.assert_close(found, mean.detach())
    for parameter, gradient in zip(parameters, expected, strict=True):
        if gradient is not None:
            torch.testing.assert_close(parameter.grad, gradient)


def test_freelb_of_one_step_without_a_ball_is_the_plain_loss(step):
    found = FreeLb(epsilon=0.0, steps=1).extra(step)
    torch.testing.assert_close(found, step.loss.detach())
    noise = random_start(3, torch.ones(5, 40, 10), 0.1)
    assert (noise.flatten(1).norm(dim=1) <= 0.1 * 400**0.5).all()
    # Uniform between -1 and 1 has the variance of a third.
    torch.testing.assert_close(noise.flatten(1).norm(dim=1), torch.full((5,), 0.1 * (400 / 3) ** 0.5), rtol=0.1, atol=0)


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
    torch.testing.assert_close(same.extra(step), step.measure(step.run(), step.target))


def test_mixup_of_encoded_vectors_mixes_rows_with_the_same_modalities():
    present = torch.tensor([[1, 1], [1, 0], [1, 1], [0, 1], [1, 0], [1, 1]]).bool()
    drawn = [partners(present, np.random.default_rng(seed)).tolist() for seed in range(30)]
    assert all(sorted(other) == list(range(6)) for other in drawn)
    assert all(present[other].equal(present) for other in drawn)
    assert {tuple(other) for other in drawn} > {(0, 1, 2, 3, 4, 5)}
    assert all(other[3] == 3 for other in drawn)


def test_mixup_of_sequences_mixes_steps_that_both_have():
    sequence = pad([torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[10.0]])])
    other = mixed(sequence, 0.75, torch.tensor([1, 0]))
    assert other.mask.all()
    torch.testing.assert_close(other.values[..., 0], torch.tensor([[3.25, 2.0, 3.0], [7.75, 2.0, 3.0]]))
    absent = MaskedSequence(torch.zeros(2, 1, 4), torch.zeros(2, 1, dtype=torch.bool))
    assert not mixed(absent, 0.3, torch.tensor([1, 0])).mask.any()


def test_mixup_of_encoded_vectors_goes_through_the_fusion(step):
    step.model.eval()
    plain = step.again().logits
    with mixing_encoded(step.model.fusion, 0.3, np.random.default_rng(1)) as passes:
        found = step.again().logits
    (other,) = passes
    # One modality, a fusion that hands on and a linear head: the mixture of the decisions.
    torch.testing.assert_close(found, 0.3 * plain + 0.7 * plain[other])
    assert step.again().logits.equal(plain)
    assert Mixup(at="encoded").extra(step).requires_grad


def test_a_reversed_gradient_has_the_other_sign():
    values = torch.randn(4, 3, requires_grad=True)
    assert reversed_gradient(values, 0.5).equal(values)
    (gradient,) = torch.autograd.grad((reversed_gradient(values, 0.5) * torch.arange(3.0)).sum(), values)
    assert gradient.equal(-0.5 * torch.arange(3.0).expand(4, 3))


def test_the_discriminator_learns_its_own_loss_and_the_model_against_it(step):
    rows = [replace(row, id=name, speaker=f"s{name}") for row, name in zip(labelled("a", "b", "c"), "abc", strict=True)]
    method = DomainAdversarial(strength=2.0, hidden=5)
    method.prepare(step.model, step.task, rows[:2])
    step.progress = 0.03
    share = method.multiplier(step.progress)
    assert share == pytest.approx(2 * math.tanh(0.5 * 10 * 0.03))
    assert [method.multiplier(p) for p in (0.0, 1.0)] == pytest.approx([0, 2], abs=1e-3)
    loss = method.extra(step)
    fused = step.seen.fused
    # Of the third row the domain is not known: it does not count.
    expected = functional.cross_entropy(method.module["fused"](fused)[:2], torch.tensor([0, 1]))
    torch.testing.assert_close(loss, expected)
    own, theirs = list(method.module.parameters()), list(step.model.encoders.parameters())
    for found, plain in zip(gradients_of(loss, own), gradients_of(expected, own), strict=True):
        torch.testing.assert_close(found, plain)
    for found, plain in zip(gradients_of(loss, theirs), gradients_of(expected, theirs), strict=True):
        torch.testing.assert_close(found, -share * plain)


def gradients_of(loss, parameters):
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [each for each in found if each is not None]


@pytest.mark.parametrize("at", ["fused", "encoded"])
def test_what_a_model_goes_by_no_longer_tells_the_domain(at, trained):
    """Two domains that two words tell apart at once, until the encoder is told to hide them."""

    def told_apart(strength):
        torch.manual_seed(0)
        model, task = trained.model.train(), trained.task
        start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        method = DomainAdversarial(strength=strength, at=at)
        method.prepare(model, task, [Utterance(id=str(n), speaker=str(n % 2)) for n in range(8)])
        batch = Batch(
            {"text": pad([torch.tensor([2, 70 + n % 2, 3]) for n in range(8)])},
            torch.eye(2).repeat(4, 1),
            [str(n) for n in range(8)],
        )
        optimizer = torch.optim.AdamW([*model.parameters(), *method.module.parameters()], lr=3e-3)
        for number in range(120):
            loss = method.extra(Step(model, task, batch, number, lambda it: model(it.inputs), lambda *_: 0, 1.0))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        model.load_state_dict(start)
        return loss.item()

    assert told_apart(0.0) < 0.1
    assert told_apart(1.0) > 0.5


def test_unlabelled_rows_add_to_virtual_adversarial_training_and_their_labels_are_not_read(step, spoken, tmp_path):
    (tmp_path / "more.txt").write_text("the film was good\n\na dull plot\n")
    assert [row.text for row in read_unlabelled(str(tmp_path / "more.txt"), "x")] == [
        "the film was good",
        "a dull plot",
    ]
    source = {"corpus": "manifest", "root": spoken, "split": "validation"}
    rows = read_unlabelled(source, "x")
    assert len(rows) == 32
    assert {row.label for row in rows} == {None}
    method = VirtualAdversarial(unlabelled=source)
    method.prepare(step.model, step.task, [])
    one, other = (method.draws.batch(3, seed, "cpu") for seed in (7, 8))
    assert one.target is None
    assert one.ids == method.draws.batch(3, 7, "cpu").ids != other.ids
    found = method.extra(step)
    own, further = method.apart(step), method.apart(step.on(one))
    torch.testing.assert_close(found, (own + further) / 2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing.txt", "nothing.txt: no such file"),
        ({"root": "x"}, "needs a path, or the corpus"),
        ({"corpus": "sst2", "rot": "x"}, "unknown setting 'rot'.*did you mean 'root'"),
        ({"corpus": "sst2", "root": "x", "split": "test"}, "the test split is read by `evaluate` alone"),
    ],
)
def test_unlabelled_rows_that_are_not_there_are_refused_before_anything_is_loaded(source, message, config, tmp_path):
    config.training.methods = {"virtual_adversarial": {"unlabelled": source}}
    config.model.encoders["text"]["checkpoint"] = "nowhere"
    with pytest.raises(InputError, match=message):
        runs.train(config, tmp_path / "run", progress=False)


def test_a_corpus_without_domains_or_with_one_is_refused_before_anything_is_loaded(config, spoken, tmp_path):
    config.model.encoders["text"]["checkpoint"] = "nowhere"
    config.training.methods = {"domain_adversarial": {}}
    with pytest.raises(InputError, match=r"domain_adversarial\.column is 'speaker', but utterance .* has none"):
        runs.train(config, tmp_path / "run", progress=False)
    config.corpus = CorpusConfig(name="manifest", root=spoken)
    config.corpus.limit = 1
    with pytest.raises(InputError, match="all training utterances have the same speaker, 's"):
        runs.train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


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


SEVERAL = ["fgm", "r_drop", "gradual"], ["freelb", "domain_adversarial"]


@pytest.mark.parametrize("names", [*([name] for name in NAMES), *SEVERAL], ids="+".join)
def test_a_training_with_it_continues_to_the_same_weights(names, config, former, spoken, tmp_path, monkeypatch):
    """Interrupted in the middle of an epoch; bit for bit."""
    from multimodal_emotion.training import Fit

    needs = {
        "ewc": {"run": former, "count": 8},
        "replay": {"run": former},
        "distillation": {"teacher": former, "hidden": 1.0},
        "mixup": {"at": "encoded"},
        "virtual_adversarial": {"unlabelled": {"corpus": "manifest", "root": spoken}},
    }
    config.training.methods = {name: needs.get(name, {}) for name in names}
    if "domain_adversarial" in names:
        config.corpus = CorpusConfig(name="manifest", root=spoken)
    if names == ["freelb", "domain_adversarial"]:
        config.training.average, config.training.average_start = "equal", 0.3
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
    config.training.methods, config.training.average = {}, 0.0
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
        ("training.methods.freelb.steps=0", r"training\.methods\.freelb\.steps is 0; it must be at least 1"),
        ("training.methods.mixup.at=encodd", r"unknown place 'encodd' in .*mixup\.at; did you mean 'encoded'"),
        ("training.methods.domain_adversarial.at=head", r"unknown place 'head' in .*domain_adversarial\.at"),
        ("training.methods.domain_adversarial.column=label", "which is what the model is to tell"),
        ("training.methods.domain_adversarial.hidden=0", "hidden is 0; it must be at least 1"),
        ("training.methods.virtual_adversarial.unlabelled=3", "unlabelled in .* is 3; it must be str or dict"),
    ],
)
def test_a_bad_method_is_refused_by_name(setting, message):
    with pytest.raises(InputError, match=message):
        configuration.with_settings(Config(), [setting])


def test_methods_need_the_gradient():
    with pytest.raises(InputError, match=r"needs training\.solver gradient"):
        configuration.with_settings(Config(), ["training.methods={fgm: {}}", "training.solver=discriminant"])


@pytest.mark.parametrize("name", ["fgm", "pgd", "freelb", "virtual_adversarial", "gradual"])
def test_a_method_for_encoders_refuses_frozen_ones(name, config):
    for settings in (["training.freeze=all"], ["model.encoders={audio: {type: prosody}}"]):
        with pytest.raises(InputError, match=rf"training\.methods\.{name} has nothing to .*: every encoder is frozen"):
            configuration.with_settings(config, [f"training.methods={{{name}: {{}}}}", *settings])


@pytest.mark.parametrize(
    ("method", "setting", "message"),
    [
        (
            "mixup: {}",
            "model.auxiliary=1",
            "mixes what one decision is made from; this model decides for each modality",
        ),
        ("mixup: {}", "model.fusion={type: late}", "mixes what one decision is made from"),
        ("mixup: {}", "task.name=sequence_labelling", "mixup does not apply to a task that decides for each word"),
        ("domain_adversarial: {}", "model.fusion={type: late}", "needs one fused vector .* set at: encoded"),
        ("distillation: {teacher: x}", "task.name=sequence_labelling", "a task that decides for each word"),
        ("distillation: {teacher: x, hidden: 1}", "model.fusion={type: late}", "which late fusion has not"),
    ],
)
def test_what_does_not_go_together_is_refused_when_the_configuration_is_read(method, setting, message, config):
    with pytest.raises(InputError, match=message):
        configuration.with_settings(config, [f"training.methods={{{method}}}", setting])


def test_methods_are_checked_before_anything_is_written(config, tmp_path):
    config.training.methods, config.model.auxiliary = {"mixup": {}}, 1.0
    with pytest.raises(InputError, match="mixes what one decision is made from"):
        runs.train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("case", ["wav2vec2 group", "wavlm", "whisper all", "timm vit", "timm convnext", "dinov2"])
def test_sound_and_pictures_are_perturbed_in_their_first_layer(case, tmp_path):
    case = CASES[case]
    encoder = registry.build("encoders", case.name, checkpoint=str(case.checkpoint(tmp_path / "it")), **case.settings)
    inputs = pad([torch.as_tensor(encoder.prepare(medium)) for medium in media(encoder.medium)])
    first = first_layer(encoder.backbone)
    with adding([first], zeros) as (_, added):
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

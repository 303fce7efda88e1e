"""Discriminants in closed form, late fusion on top of them, and the modalities' own losses."""

import csv

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler
from torch import nn

from multimodal_emotion import config as configuration
from multimodal_emotion import crossvalidation, discriminants, runs
from multimodal_emotion.config import Config, CorpusConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.fusion._base import summary
from multimodal_emotion.loading import Rows
from multimodal_emotion.training import Fit

LABELS = ("angry", "calm", "sad")


def clouds(rows, width, seed=0, apart=1.0):
    """Labels whose means differ, within clouds that are far wider along some axes than along others."""
    generator = np.random.default_rng(seed)
    axes = np.random.default_rng(99).normal(size=(width, width)) * np.geomspace(5, 0.2, width)[:, None]
    means = np.random.default_rng(98).normal(size=(3, width)) * apart
    target = np.arange(rows) % 3
    return (means[target] + generator.normal(size=(rows, width)) @ axes), np.eye(3)[target]


@pytest.mark.parametrize("shrinkage", [0.1, 0.6])
@pytest.mark.parametrize(("rows", "width"), [(200, 12), (40, 100)])
def test_they_are_those_of_scikit_learn(rows, width, shrinkage):
    values, target = clouds(rows, width)
    ours = discriminants.Scatter(values, target).solve(shrinkage)
    scaled = StandardScaler().fit_transform(values)
    # scikit-learn shrinks towards the mean variance of all features: the same once all features are in the rows' space.
    basis = np.linalg.svd(scaled, full_matrices=False)[2][: min(rows - 1, width)].T if width > rows else np.eye(width)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    theirs = model.fit(scaled @ basis, target.argmax(axis=1)).predict_log_proba(scaled @ basis)
    logits = ours(values)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.exp(log_probabilities), np.exp(theirs), atol=1e-6)


def test_votes_count_as_parts_of_an_utterance():
    values, target = clouds(60, 5)
    votes = np.where(target == 1, 0.75, 0.125)
    # Four rows, one of each vote, are the same as one row with shares of votes.
    split = np.concatenate([np.eye(3)[np.full(60, label)] for label in range(3)])
    weights = (votes.T.ravel() * 8).astype(int)
    whole = discriminants.Scatter(
        np.repeat(np.tile(values, (3, 1)), weights, axis=0), np.repeat(split, weights, axis=0)
    )
    shared = discriminants.Scatter(values, votes)
    np.testing.assert_allclose(shared.solve(0.3)(values), whole.solve(0.3)(values), atol=1e-8)


def test_a_label_that_is_never_seen_and_a_column_that_never_varies():
    values, target = clouds(60, 5)
    values[:, 2] = 7.0
    seen = target[:, 2] == 0
    linear = discriminants.Scatter(values[seen], target[seen]).solve(0.2)
    assert np.isfinite(linear.weight).all()
    assert (linear.weight[:, 2] == 0).all()
    assert linear(values)[:, 2].max() == discriminants.UNSEEN


def test_out_of_fold_predictions_have_not_seen_their_speaker():
    """Labels are noise, but a speaker has one label: whoever sees the speaker knows the label."""
    generator = np.random.default_rng(0)
    speakers = np.repeat(np.arange(90), 4)
    values = generator.normal(size=(90, 100))[speakers] + 0.1 * generator.normal(size=(360, 100))
    target = np.eye(3)[generator.integers(0, 3, 90)[speakers]]
    names = [f"speaker {number}" for number in speakers]
    honest = discriminants.cross_fit(values, target, names)
    leaking = discriminants.cross_fit(values, target, None)
    accuracy = [float((fit.out_of_fold.argmax(1) == target.argmax(1)).mean()) for fit in (honest, leaking)]
    assert accuracy[0] < 0.55 < 0.9 < accuracy[1]


@pytest.mark.parametrize("apart", [0.0, 6.0])
def test_calibration_keeps_confidence_to_what_is_known(apart):
    """More features than rows: raw discriminants are sure of themselves whether or not there is anything to know."""
    values, target = clouds(120, 300, apart=apart)
    fresh, truth = clouds(2000, 300, seed=1, apart=apart)
    fit = discriminants.cross_fit(values, target)
    raw = discriminants.Scatter(values, target).solve(fit.shrinkage)
    ours, theirs = (
        -(truth * torch.from_numpy(linear(fresh)).log_softmax(dim=1).numpy()).sum(axis=1).mean()
        for linear in (fit.linear, raw)
    )
    assert ours < theirs - 0.05
    assert ours < np.log(3) + 0.01


# ---- through a training ----------------------------------------------------------------------------------------------


def table(path, rows=180, missing=0.2, seed=0):
    """A manifest whose utterances have two modalities of numbers, either of them sometimes absent; nine speakers."""
    generator = np.random.default_rng(seed)
    values, target = clouds(rows, 8, apart=3.0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = [*(f"v{n}" for n in range(4)), *(f"f{n}" for n in range(4))]
        writer.writerow(["id", "label", "speaker", "split", "features.voice", "features.face"])
        for number, (row, label) in enumerate(zip(values, target.argmax(axis=1), strict=True)):
            speaker = number // 3 % 9
            parts = [" ".join(map(str, half.round(4))) for half in (row[:4], row[4:])]
            if generator.random() < missing:
                parts[generator.integers(2)] = ""
            split = "validation" if speaker > 6 else "train"
            writer.writerow([f"u{number}", LABELS[label], f"s{speaker}", split, *parts])
        assert names
    return path


def settings(path, *more) -> Config:
    config = Config(corpus=CorpusConfig(name="manifest", root=str(path)))
    config.model.encoders = {name: {"type": "features", "name": name, "dim": 4} for name in ("face", "voice")}
    fixed = ("freeze=all", "logger=none", "head_learning_rate=0.03", "batch_size=48", "epochs=12")
    return configuration.with_settings(config, [*(f"training.{setting}" for setting in fixed), *more])


DISCRIMINANT = "training.solver=discriminant"


@pytest.mark.parametrize("how", ["mean", "product", "stacking", "weighted", None])
@pytest.mark.parametrize("solver", ["gradient", "discriminant"])
def test_both_solvers_with_every_fusion_of_decisions(how, solver, tmp_path):
    fusion = [f"model.fusion={{type: late, how: {how}}}"] if how else []
    config = settings(table(tmp_path / "t.csv"), *fusion, f"training.solver={solver}")
    if (how, solver) == ("weighted", "discriminant"):
        with pytest.raises(InputError, match="late fusion by mean, product or stacking"):
            runs.train(config, tmp_path / "run", progress=False)
        return
    run = runs.train(config, tmp_path / "run", progress=False)
    assert run.report["splits"]["validation"]["accuracy"] > 0.6
    again = runs.evaluate(run.folder, "manifest", tmp_path / "t.csv", split="validation")
    assert again["splits"]["validation"]["accuracy"] == run.report["splits"]["validation"]["accuracy"]
    if how == "stacking":
        assert bool(run.trained.model.fusion.stacker.fitted)
    alone = runs.evaluate(run.folder, "manifest", tmp_path / "t.csv", split="validation", modalities=["voice"])
    assert alone["splits"]["validation"]["accuracy"] > 0.4


def test_the_same_seed_gives_the_same_head(tmp_path):
    config = settings(table(tmp_path / "t.csv"), DISCRIMINANT, "model.fusion={type: late}")
    one, other = (runs.train(config, tmp_path / name, progress=False) for name in ("one", "two"))
    for name, tensor in one.trained.model.state_dict().items():
        assert tensor.equal(other.trained.model.state_dict()[name]), name


def test_folds_are_solved_on_all_other_folds(tmp_path):
    config = settings(table(tmp_path / "t.csv"), DISCRIMINANT, "model.fusion={type: late, how: product}")
    report = crossvalidation.cross_validate(config, "speaker", tmp_path / "run", subsets=True, progress=False)
    assert list(report["subsets"]) == ["face", "voice", "face+voice"]
    assert report["subsets"]["face+voice"]["accuracy"] == report["pooled"]["accuracy"]
    assert report["subsets"]["face"]["n"] < 180
    assert report["subsets"]["face"]["accuracy"] < report["pooled"]["accuracy"]
    assert report["pooled"]["n"] == 180
    assert len(report["folds"]) == 9
    assert report["pooled"]["accuracy"] > 0.6
    assert all(not shared["speakers"] for shared in report["leakage"]["folds"].values())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.freeze=none", None),
        ("model.hidden=8", "needs a linear head"),
        ("model.fusion={type: gated}", "needs a linear head on fusion single or concat"),
        ("model.encoders.face.pooling=attention", "encoder 'face' has something to learn"),
        ("task.options.focal_gamma=2", "no loss that task.options.focal_gamma could shape"),
        ("task={name: multilabel, options: {}}", "task multilabel needs training.solver=gradient"),
    ],
)
def test_what_has_no_closed_form_is_refused(setting, message, tmp_path):
    config = settings(table(tmp_path / "t.csv"), DISCRIMINANT, setting)
    if message is None:
        runs.train(config, tmp_path / "run", progress=False)  # these encoders have nothing to freeze
        return
    with pytest.raises(InputError, match=message):
        runs.train(config, tmp_path / "run", progress=False)


@pytest.mark.parametrize("cache", ["true", "false"])
def test_some_heads_are_solved_after_the_others_have_learnt(cache, tmp_path):
    path, late = (
        table(tmp_path / "t.csv"),
        ("model.fusion={type: late}", "training.keep=last", f"training.cache={cache}"),
    )
    ways = {"learnt": (), "all": (DISCRIMINANT,), "voice": ("training.solved=[voice]", "training.calibrate=true")}
    heads = {
        way: runs.train(settings(path, *late, *more), tmp_path / way, progress=False).trained.model.fusion.heads
        for way, more in ways.items()
    }
    # Calibration leaves what was solved alone, and the other head's decisions as they were.
    assert torch.equal(heads["voice"]["voice"][-1].weight, heads["all"]["voice"][-1].weight)
    learnt, calibrated = (heads[way]["face"][-1].weight for way in ("learnt", "voice"))
    assert not torch.equal(learnt, calibrated)
    torch.testing.assert_close(learnt / learnt.norm(), calibrated / calibrated.norm())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("training.solved=[voices]", "model.fusion={type: late}"), r"unknown head 'voices' in training\.solved"),
        (("training.solved=[voice]",), "names heads of late fusion"),
        (("training.solved=[voice]", "model.fusion={type: late, how: weighted}"), "names heads of late fusion"),
        (("training.solved=[voice]", DISCRIMINANT, "model.fusion={type: late}"), r"needs training\.solver gradient"),
    ],
)
def test_heads_that_cannot_be_solved_are_refused_before_training(more, message, tmp_path):
    with pytest.raises(InputError, match=message):
        runs.train(settings(table(tmp_path / "t.csv"), *more), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_class_weights_are_weights_of_the_priors(tmp_path):
    with table(tmp_path / "t.csv", missing=0).open() as file:
        rows = [row for row in csv.DictReader(file) if row["label"] != "sad"]
    kept = [row for number, row in enumerate(rows) if row["label"] == "calm" or number % 12 < 2]
    with (tmp_path / "rare.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    found = {}
    for weights in ("none", "balanced"):
        config = settings(tmp_path / "rare.csv", DISCRIMINANT, f"task.options.class_weights={weights}")
        head = runs.train(config, tmp_path / weights, progress=False).trained.model.head
        found[weights] = (head[-1].bias - head[-1].bias.mean()).detach()
    rare, common = found["balanced"] - found["none"]
    assert float(rare - common) > 0.5


@pytest.mark.parametrize(("fusion", "seen"), [("{type: late, how: product}", ["voice"]), ("{type: gated}", None)])
def test_calibration_makes_probabilities_honest_and_changes_no_decision_of_a_head(fusion, seen, tmp_path):
    """Validation is less certain than training was. The calibration error of so few utterances would be mostly chance."""
    sure = ("training.head_learning_rate=0.3", "training.epochs=40", "training.keep=last", f"model.fusion={fusion}")
    with table(tmp_path / "clear.csv", rows=240).open() as file:
        given = list(csv.DictReader(file))
    for row in [row for row in given if row["split"] == "validation"][::3]:
        row["label"] = LABELS[LABELS.index(row["label"]) - 1]
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(given[0]))
        writer.writeheader()
        writer.writerows(given)
    loss, chosen = {}, {}
    for wish in ("false", "true"):
        run = runs.train(settings(path, *sure, f"training.calibrate={wish}"), tmp_path / wish, progress=False)
        scored = tmp_path / f"{wish}-scored"
        runs.evaluate(run.folder, "manifest", path, split="validation", modalities=seen, output=scored)
        with (scored / "predictions" / "validation.csv").open() as file:
            rows = list(csv.DictReader(file))
        loss[wish] = -np.mean([np.log(max(float(row[row["label"]]), 1e-6)) for row in rows])
        chosen[wish] = [row["prediction"] for row in rows]
    assert loss["true"] < loss["false"] - 0.01
    assert chosen["true"] == chosen["false"]


# ---- losses of the modalities' own ------------------------------------------------------------------------------------


def test_late_heads_learn_as_if_each_were_the_only_one(tmp_path):
    config = settings(table(tmp_path / "t.csv"), "model.fusion={type: late, dropout: 0}", "training.precision=32")
    splits = runs.read_splits(config)
    trained = runs.assemble(config, runs.task_for(config, splits.corpus), splits.train)
    rows = Rows(splits.train, trained.preparations, trained.task)
    job = Fit(trained, rows, None, config.training, progress=False)
    batch = job.collate([rows[number] for number in range(len(rows))])
    job.loss(batch, 0).backward()
    for name, head in trained.model.fusion.heads.items():
        found = head[1].weight.grad.clone()
        head.zero_grad()
        here = batch.inputs[name].present
        vectors = summary(trained.model.encode(batch.inputs)[name])[here]
        nn.functional.cross_entropy(head(vectors), batch.target[here]).backward()
        torch.testing.assert_close(found, head[1].weight.grad)


def test_balancing_slows_the_modality_that_is_ahead(tmp_path, monkeypatch):
    from multimodal_emotion import training

    seen = []

    def watch(parameters, factor, enhance=True):
        seen.append((factor, sum(1 for parameter in parameters if parameter.grad is not None)))

    monkeypatch.setattr(training, "modulate", watch)
    path = table(tmp_path / "t.csv")
    mixed = "model.encoders.face.pooling=attention"
    with pytest.raises(InputError, match=r"set model\.auxiliary too"):
        runs.train(settings(path, "model.balance=0.5"), tmp_path / "no", progress=False)
    config = settings(path, "model.balance=0.5", "model.auxiliary=1", mixed, "training.epochs=2")
    runs.train(config, tmp_path / "run", progress=False)
    factors = [factor for factor, _ in seen]
    assert len(factors) % 2 == 0
    assert min(factors) < 1 <= max(factors)
    assert all(max(pair) == 1 and min(pair) < 1 for pair in zip(factors[::2], factors[1::2], strict=True))

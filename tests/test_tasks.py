"""The contract of a task for every name; losses, codings and options against plain torch and by hand."""

import itertools
import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from multimodal_emotion import metrics, registry
from multimodal_emotion.batch import Label, Utterance
from multimodal_emotion.errors import InputError
from multimodal_emotion.tasks._base import Task
from multimodal_emotion.tasks._losses import sigmoid_weights, softmax_weights
from multimodal_emotion.tasks._options import choice, number, numbers_by_label
from multimodal_emotion.tasks._thresholds import moved, tuned_thresholds
from multimodal_emotion.tasks.multilabel import Multilabel
from multimodal_emotion.tasks.sequence_labelling import SequenceLabelling

EMOTIONS = ("anger", "joy", "sadness", "surprise")
TAGS = ("O", "B-POS", "I-POS", "B-NEG", "I-NEG")
DIMENSIONS = ("valence", "arousal")
RANGES = {"valence": (1.0, 5.0), "arousal": (0.0, 10.0)}

BUILT: dict[str, dict[str, Any]] = {
    "binary": {"labels": ("negative", "positive")},
    "multiclass": {"labels": EMOTIONS},
    "multilabel": {"labels": EMOTIONS},
    "sequence_labelling": {"labels": TAGS},
    "regression": {"labels": DIMENSIONS, "ranges": RANGES},
}
NAMES = registry.names("tasks")


def utterance(label: Label | None, **more: Any) -> Utterance:
    return Utterance(id="u1", text="so it is", label=label, **more)


def some_label(task: Task, generator: np.random.Generator) -> Label:
    """A random label in the form that the task takes."""
    if task.name == "regression":
        return {"valence": float(generator.uniform(1, 5)), "arousal": float(generator.uniform(0, 10))}
    if task.name == "multilabel":
        return tuple(label for label in task.labels if generator.random() < 0.4)
    if task.name == "sequence_labelling":
        return tuple(generator.choice(TAGS, size=generator.integers(1, 6)).tolist())
    return str(generator.choice(task.labels))


def some_rows(task: Task, rows: int, seed: int = 0) -> tuple[list[Utterance], list[np.ndarray], list[np.ndarray]]:
    """Labelled utterances, their targets, and scores of a model that is somewhat right."""
    generator = np.random.default_rng(seed)
    utterances = [utterance(some_label(task, generator)) for _ in range(rows)]
    task.prepare(utterances)
    targets = [task.target(each) for each in utterances]
    scores = []
    for target in targets:
        shape = (len(target), task.outputs) if task.resolution == "word" else (task.outputs,)
        logits = generator.normal(size=shape)
        if task.resolution == "word":
            logits += 1.5 * np.eye(task.outputs)[target]
        elif task.name != "regression":
            logits += 1.5 * target
        scores.append(task.scores(torch.from_numpy(logits)).numpy())
    return utterances, targets, scores


def build(name: str, **options: Any) -> Task:
    return registry.build("tasks", name, **{**BUILT[name], **options})


# ------------------------------------------------------------------------------------------------------- every task


def test_every_task_is_tested() -> None:
    assert set(NAMES) == set(BUILT)


@pytest.mark.parametrize("name", NAMES)
def test_task_goes_from_labels_to_figures(name: str) -> None:
    task = build(name)
    utterances, targets, scores = some_rows(task, 40)
    task.tune(targets, scores)
    for each, target in zip(utterances, targets, strict=True):
        label = task.label(target)
        if name == "regression":
            assert label == pytest.approx(each.label)
        else:
            assert label == each.label
    found = task.metrics(targets, scores)
    assert found["n"] == 40
    assert isinstance(found[task.primary_metric], float)
    assert set(task.primary_metrics) <= set(found)
    assert isinstance(task.higher_is_better, bool)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_one_number_an_utterance_in_single_precision(name: str) -> None:
    task = build(name)
    _, targets, _ = some_rows(task, 6)
    target = task.collate(targets)
    shape = (*target.shape, task.outputs) if task.resolution == "word" else (6, task.outputs)
    torch.manual_seed(0)
    logits = torch.randn(shape, requires_grad=True)
    loss = task.loss(logits, target)
    assert loss.shape == (6,)
    assert loss.dtype == torch.float32
    loss.mean().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    low = task.loss(logits.detach().bfloat16(), target)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, loss.detach(), rtol=0.05, atol=0.05)
    assert task.scores(logits.detach().bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_state_is_json_and_makes_the_same_task(name: str) -> None:
    task = build(name, primary_metric=registry.find("tasks", name).primary_metrics[1])  # type: ignore[attr-defined]
    _, targets, scores = some_rows(task, 40)
    task.tune(targets, scores)
    state = json.loads(json.dumps(task.state()))
    again = registry.find("tasks", name, own_code=False).from_state(state)  # type: ignore[attr-defined]
    assert again.state() == task.state()
    assert again.metrics(targets, scores) == task.metrics(targets, scores)
    logits = torch.randn(3, task.outputs)
    torch.testing.assert_close(again.scores(logits), task.scores(logits))


@pytest.mark.parametrize("name", NAMES)
def test_task_travels_to_worker_processes(name: str) -> None:
    task = build(name)
    _, targets, _ = some_rows(task, 5)
    torch.testing.assert_close(pickle.loads(pickle.dumps(task)).collate(targets), task.collate(targets))


@pytest.mark.parametrize("name", NAMES)
def test_statistics_add_up(name: str) -> None:
    task = build(name)
    _, targets, scores = some_rows(task, 30)
    whole = task.figures(metrics.total(task.statistics(targets, scores)))
    batched = {key: values[None] for key, values in metrics.total(task.statistics(targets, scores)).items()}
    for figure, values in task.figures(batched).items():
        np.testing.assert_allclose(values[0], whole[figure])
        assert values.shape[1:] in ((), (task.outputs,))


@pytest.mark.parametrize("name", NAMES)
def test_label_that_is_none_or_unknown_is_an_input_error(name: str) -> None:
    task = build(name)
    with pytest.raises(InputError, match=r"utterance u1: the label is None; task \w+ needs"):
        task.target(utterance(None))
    wrong: Label = {"regression": {"valens": 1.0}, "sequence_labelling": ("B-POZ",)}.get(name, task.labels[0] + "s")
    right = {"regression": "valence", "sequence_labelling": "B-POS"}.get(name, task.labels[0])
    with pytest.raises(InputError, match=rf"in utterance u1; did you mean '{right}'\?"):
        task.target(utterance(wrong))


@pytest.mark.parametrize("name", NAMES)
def test_bad_labels_and_metrics_are_input_errors(name: str) -> None:
    with pytest.raises(InputError, match=r"needs at least one label|needs two labels, not 0"):
        build(name, labels=())
    with pytest.raises(InputError, match="the label 'x' is there twice"):
        build(name, labels=("x", "x"), **({"ranges": {}} if name == "regression" else {}))
    with pytest.raises(InputError, match=f"unknown primary_metric 'bleu' in task {name}; "):
        build(name, primary_metric="bleu")


# ------------------------------------------------------------------------------------- one label: binary, multiclass


def test_cross_entropy_is_that_of_torch() -> None:
    torch.manual_seed(0)
    logits, numbers = torch.randn(8, 4), torch.randint(4, (8,))
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    task = build("multiclass", class_weights=dict(zip(EMOTIONS, weights.tolist(), strict=True)), label_smoothing=0.1)
    target = torch.eye(4)[numbers]
    expected = functional.cross_entropy(logits, numbers, weights, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(task.loss(logits, target), expected)
    torch.testing.assert_close(
        build("multiclass").loss(logits, target), functional.cross_entropy(logits, numbers, reduction="none")
    )


def test_binary_is_two_logits_and_softmax() -> None:
    task = build("binary")
    assert task.outputs == 2
    logits = torch.tensor([[0.0, 2.0]])
    torch.testing.assert_close(
        task.loss(logits, torch.tensor([[0.0, 1.0]])), functional.cross_entropy(logits, torch.tensor([1]))[None]
    )
    assert task.decode(task.scores(logits).numpy()) == ["positive"]
    with pytest.raises(InputError, match="task binary needs two labels, not 3: a, b, c; take multiclass"):
        build("binary", labels=("a", "b", "c"))


def test_calibration_error_is_in_the_metrics() -> None:
    task = build("binary")
    targets = [np.float32([1, 0]), np.float32([0, 1])]
    scores = [np.float32([0.9, 0.1]), np.float32([0.8, 0.2])]
    assert task.metrics(targets, scores)["calibration_error"] == pytest.approx((0.1 + 0.8) / 2)


def test_focal_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    p = logits.softmax(1)[0, 0]
    task = build("multiclass", focal_gamma=2)
    torch.testing.assert_close(task.loss(logits, torch.eye(4)[:1]), -((1 - p) ** 2 * p.log())[None])
    sure = torch.tensor([[100.0, 0.0, 0.0, 0.0]], requires_grad=True)
    build("multiclass", focal_gamma=0.5).loss(sure, torch.eye(4)[:1]).sum().backward()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


def test_votes_are_a_distribution_or_their_majority() -> None:
    votes = {"joy": 6.0, "surprise": 3.0, "anger": 1.0}
    soft, hard = build("multiclass"), build("multiclass", soft_labels=False)
    np.testing.assert_allclose(soft.target(utterance(votes)), [0.1, 0.6, 0.0, 0.3], rtol=1e-6)
    np.testing.assert_allclose(hard.target(utterance(votes)), [0, 1, 0, 0])
    assert soft.label(soft.target(utterance(votes))) == "joy"
    logits = torch.randn(1, 4)
    target = torch.tensor([[0.1, 0.6, 0.0, 0.3]])
    torch.testing.assert_close(soft.loss(logits, target), functional.cross_entropy(logits, target, reduction="none"))
    sure_of_joy = np.eye(4, dtype=np.float32)[1]
    assert soft.metrics([soft.target(utterance(votes))], [sure_of_joy])["accuracy"] == 1.0
    for wrong in ({"joy": 0.0}, {"joy": -1.0, "anger": 3.0}, {"joy": float("nan")}):
        with pytest.raises(InputError, match="needs votes that are not negative, and at least one"):
            soft.target(utterance(wrong))
    with pytest.raises(InputError, match=r"the label is \('joy',\); task multiclass needs one label, or the votes"):
        soft.target(utterance(("joy",)))


def test_balanced_weights_undo_frequencies() -> None:
    seen = torch.tensor([1.0, 3.0, 0.0])
    torch.testing.assert_close(softmax_weights(seen, effective=False), torch.tensor([2.0, 2 / 3, 0.0]))
    mild = softmax_weights(torch.tensor([10.0, 10000.0]), effective=True)
    number_of = [(1 - 0.999**count) / 0.001 for count in (10, 10000)]
    torch.testing.assert_close(mild[0] / mild[1], torch.tensor(number_of[1] / number_of[0]))
    torch.testing.assert_close((mild * torch.tensor([10.0, 10000.0])).sum(), torch.tensor(10010.0))
    positive = sigmoid_weights(torch.tensor([10.0, 50.0, 0.0]), 100, effective=False)
    torch.testing.assert_close(positive, torch.tensor([9.0, 1.0, 0.0]))
    assert sigmoid_weights(torch.tensor([10.0]), 100000, effective=True) < 101


def test_weights_and_priors_come_from_the_training_labels() -> None:
    task = build("multiclass", class_weights="balanced", logit_adjustment=1.0)
    task.prepare([utterance(label) for label in ("joy", "joy", "joy", "anger")])
    torch.testing.assert_close(task.weights(), torch.tensor([2.0, 2 / 3, 0.0, 0.0]))
    logits = torch.zeros(1, 4)
    adjusted = logits + torch.log(torch.tensor([2.0, 4.0, 1.0, 1.0]) / 8)
    torch.testing.assert_close(
        task.loss(logits, torch.eye(4)[:1]), 2 * functional.cross_entropy(adjusted, torch.tensor([0]))[None]
    )
    torch.testing.assert_close(task.scores(logits), torch.full((1, 4), 0.25))


def test_options_out_of_range_are_input_errors() -> None:
    with pytest.raises(
        InputError, match=r"unknown class_weights 'ballanced' in task multiclass; did you mean 'balanced'"
    ):
        build("multiclass", class_weights="ballanced")
    with pytest.raises(
        InputError, match=r"unknown label of class_weights 'joi' in task multiclass; did you mean 'joy'"
    ):
        build("multiclass", class_weights={"joi": 1.0})
    with pytest.raises(InputError, match=r"label_smoothing is 1.5; it must be a number from 0 to 1"):
        build("multiclass", label_smoothing=1.5)
    with pytest.raises(InputError, match=r"task multilabel: threshold is -0.1; it must be a number from 0 to 1"):
        build("multilabel", threshold=-0.1)
    with pytest.raises(InputError, match=r"focal_gamma is 'two'; it must be a number at least 0"):
        number("focal_gamma", "two", "task binary")
    with pytest.raises(InputError, match=r"class_weights is \[1, 2\]; give each label a number, such as"):
        numbers_by_label("class_weights", [1, 2], EMOTIONS, "task multiclass")
    with pytest.raises(InputError, match="unknown loss '3' in task regression; known: ccc, mse"):
        choice("loss", 3, ("ccc", "mse"), "task regression")


# --------------------------------------------------------------------------------------------------------- multilabel


def test_multilabel_loss_is_that_of_torch() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(6, 4), torch.randint(2, (6, 4)).float()
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    task = build("multilabel", class_weights=dict(zip(EMOTIONS, weights.tolist(), strict=True)))
    expected = functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weights, reduction="none")
    torch.testing.assert_close(task.loss(logits, target), expected.mean(1))
    focal = build("multilabel", focal_gamma=2, label_smoothing=0.2)
    p, smooth = logits.sigmoid(), 0.8 * target + 0.1
    by_hand = -(smooth * (1 - p) ** 2 * p.log() + (1 - smooth) * p**2 * (1 - p).log())
    torch.testing.assert_close(focal.loss(logits, target), by_hand.mean(1))


def test_multilabel_prior_is_the_log_odds() -> None:
    task = build("multilabel", logit_adjustment=1.0)
    task.prepare([utterance(("joy", "anger")), utterance(("joy",)), utterance(())])
    expected = torch.log(torch.tensor([2 / 3, 3 / 2, 1 / 4, 1 / 4]))
    torch.testing.assert_close(task.adjusted(torch.zeros(4)), expected)


def test_multilabel_targets() -> None:
    task = build("multilabel")
    np.testing.assert_array_equal(task.target(utterance(())), [0, 0, 0, 0])
    np.testing.assert_array_equal(task.target(utterance("joy")), [0, 1, 0, 0])
    np.testing.assert_allclose(task.target(utterance({"joy": 0.5, "anger": 0.25})), [0.25, 0.5, 0, 0])
    assert task.label(task.target(utterance({"joy": 0.5, "anger": 0.25}))) == ("joy",)
    with pytest.raises(InputError, match="needs shares of raters from 0 to 1"):
        task.target(utterance({"joy": 3.0}))


def test_tuned_thresholds_are_near_the_best_of_a_search() -> None:
    for seed in range(5):
        generator = np.random.default_rng(seed)
        targets = generator.random((400, 3)) < (0.3, 0.1, 0)
        scores = 1 / (1 + np.exp(-(2 * targets - 2 + generator.normal(size=(400, 3))))).astype(np.float32)
        found = tuned_thresholds(scores, targets, default=0.3)
        assert found[2] == 0.3
        for label in range(2):
            tried = [f1_at(scores[:, label], targets[:, label], cut) for cut in np.linspace(0.01, 0.99, 99)]
            assert f1_at(scores[:, label], targets[:, label], found[label]) > max(tried) - 0.04


def f1_at(scores: np.ndarray, targets: np.ndarray, threshold: float) -> float:
    predicted = scores >= threshold
    return 2 * (predicted & targets).sum() / max((predicted.sum() + targets.sum()), 1)


def test_tuned_thresholds_find_where_labels_part() -> None:
    generator = np.random.default_rng(0)
    targets = generator.random((500, 2)) < 0.3
    scores = np.where(targets, (0.6, 0.2), (0.4, 0.05)) + generator.uniform(-0.05, 0.05, (500, 2))
    found = tuned_thresholds(scores, targets, default=0.3)
    assert 0.45 < found[0] < 0.55
    assert 0.1 < found[1] < 0.15


def test_tuning_improves_rare_labels_and_can_be_turned_off() -> None:
    task, off = build("multilabel"), build("multilabel", tune_thresholds=False, threshold=0.5)
    generator = np.random.default_rng(0)
    targets = [(generator.random(4) < 0.1).astype(np.float32) for _ in range(400)]
    scores = [
        np.float32(0.05) + np.float32(0.2) * target * generator.random(4).astype(np.float32) for target in targets
    ]
    before = task.metrics(targets, scores)["macro_f1"]
    for each in (task, off):
        each.tune(targets, scores)
    assert task.metrics(targets, scores)["macro_f1"] > before + 0.5
    assert off.metrics(targets, scores)["macro_f1"] == 0
    assert isinstance(off, Multilabel)
    assert (off.thresholds == 0.5).all()
    assert off.cross_fitted(targets, scores) is scores


def test_cross_fitted_scores_decide_by_the_thresholds_of_the_other_fifths() -> None:
    task = build("multilabel")
    assert isinstance(task, Multilabel)
    generator = np.random.default_rng(1)
    targets = [(generator.random(4) < 0.1).astype(np.float32) for _ in range(200)]
    scores = [generator.random(4).astype(np.float32) for _ in targets]
    task.tune(targets, scores)
    fitted = task.cross_fitted(targets, scores)
    # Scores that know nothing: what was tuned on them looks better than it is.
    assert task.metrics(targets, fitted)["macro_f1"] < task.metrics(targets, scores)["macro_f1"]
    old, new = np.array([0.3, 0.5]), np.array([0.6, 0.1])
    values = generator.random((50, 2))
    np.testing.assert_array_equal(moved(values, old, new) >= new, values >= old)


def test_pooled_folds_are_decided_by_their_own_thresholds() -> None:
    last, first = build("multilabel"), build("multilabel")
    assert isinstance(last, Multilabel)
    assert isinstance(first, Multilabel)
    generator = np.random.default_rng(2)
    scores = [generator.random(4) for _ in range(100)]
    assert last.as_decided_by(first, scores) is scores
    first.thresholds, last.thresholds = np.array([0.1, 0.4, 0.5, 0.9]), np.array([0.7, 0.4, 0.2, 0.3])
    assert last.decode(np.stack(last.as_decided_by(first, scores))) == first.decode(np.stack(scores))
    assert last.decode(np.stack(scores)) != first.decode(np.stack(scores))


# -------------------------------------------------------------------------------------------------- sequence labelling


def test_word_loss_is_the_mean_cross_entropy_of_the_words_there_are() -> None:
    task = build("sequence_labelling")
    targets = [task.target(utterance(label)) for label in (("O", "B-POS", "I-POS"), ("O",), ())]
    target = task.collate(targets)
    assert target.tolist() == [[0, 1, 2], [0, -100, -100], [-100, -100, -100]]
    torch.manual_seed(0)
    logits = torch.randn(3, 3, 5)
    loss = task.loss(logits, target)
    torch.testing.assert_close(loss[0], functional.cross_entropy(logits[0], target[0]))
    torch.testing.assert_close(loss[1], functional.cross_entropy(logits[1, :1], target[1, :1]))
    assert loss[2] == 0


def test_tags_must_be_as_many_as_words() -> None:
    task = build("sequence_labelling")
    with pytest.raises(InputError, match=r"utterance u1: .* needs a tag for each of the 2 words, not 1"):
        task.target(utterance(("O",), words=("so", "what")))


def test_decoding_finds_the_most_probable_sequence_that_can_be() -> None:
    task, free = build("sequence_labelling"), build("sequence_labelling", constrained=False)
    possible = [
        tags
        for tags in itertools.product(range(5), repeat=4)
        if all(tag not in (2, 4) or (place and tags[place - 1] in (tag - 1, tag)) for place, tag in enumerate(tags))
    ]
    for seed in range(20):
        scores = np.random.default_rng(seed).dirichlet(np.ones(5), size=4)
        best = max(possible, key=lambda tags: np.log(scores[range(4), tags]).sum())
        assert task.decode(scores) == [TAGS[tag] for tag in best]
        assert free.decode(scores) == [TAGS[tag] for tag in scores.argmax(axis=1)]
    assert task.decode(np.zeros((0, 5))) == []


def test_runs_of_equal_tags_need_no_beginning() -> None:
    task = build("sequence_labelling", labels=("O", "T-POS", "T-NEG"))
    target = task.target(utterance(("T-POS", "T-POS", "O", "T-NEG")))
    scores = np.eye(3)[[1, 1, 1, 0]]
    assert task.decode(scores) == ["T-POS", "T-POS", "T-POS", "O"]
    assert task.metrics([target], [scores])["span_f1"] == 0
    found = task.metrics([target], [np.eye(3)[target]])
    assert found["span_f1"] == found["accuracy"] == 1
    assert set(found["per_label"]) == {"POS", "NEG"}
    assert len(found["confusion"]) == 3


def test_training_tags_that_begin_with_i_lift_the_constraint() -> None:
    task = build("sequence_labelling")
    assert isinstance(task, SequenceLabelling)
    task.prepare([utterance(("O", "B-POS", "I-POS"))])
    assert task.constrained
    task.prepare([utterance(("O", "I-POS", "I-POS"))])
    assert not task.constrained


# --------------------------------------------------------------------------------------------------------- regression


def test_concordance_loss_is_one_minus_the_concordance_of_the_batch() -> None:
    task = build("regression")
    _, targets, _ = some_rows(task, 16)
    target = task.collate(targets)
    torch.manual_seed(0)
    logits = torch.randn(16, 2, requires_grad=True)
    loss = task.loss(logits, target).mean()
    # Concordance does not mind that both sides are in standard units.
    values = logits.detach().numpy() * task.deviation + task.mean
    expected = 1 - metrics.ccc(metrics.moments(target.numpy(), values).sum(axis=0)).mean()
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    x, y = (
        torch.nn.Parameter(logits.detach().clone()),
        (target - torch.tensor(task.mean)) / torch.tensor(task.deviation),
    )
    spread = x.var(0, unbiased=False) + y.var(0, unbiased=False) + (x.mean(0) - y.mean(0)) ** 2
    covariance = ((x - x.mean(0)) * (y - y.mean(0))).mean(0)
    (1 - 2 * covariance / spread).mean().backward()
    loss.backward()
    torch.testing.assert_close(logits.grad, x.grad, atol=1e-6, rtol=1e-4)


def test_errors_as_losses_are_in_standard_units() -> None:
    for loss, measure in (("mse", functional.mse_loss), ("mae", functional.l1_loss)):
        task = build("regression", loss=loss)
        _, targets, _ = some_rows(task, 16)
        target = task.collate(targets)
        standard = ((target.double() - torch.tensor(task.mean)) / torch.tensor(task.deviation)).float()
        logits = torch.randn(16, 2)
        torch.testing.assert_close(task.loss(logits, target), measure(logits, standard, reduction="none").mean(1))
        assert float(standard.mean()) == pytest.approx(0, abs=1e-6)
        assert float(standard.std(unbiased=False)) == pytest.approx(1, abs=1e-3)


def test_scores_are_in_the_range_of_the_release() -> None:
    task = build("regression")
    task.prepare([utterance({"valence": v, "arousal": 5.0}) for v in (2.0, 3.0, 4.0)])
    scores = task.scores(torch.tensor([[0.0, 0.0], [100.0, -100.0]])).numpy()
    np.testing.assert_allclose(scores, [[3, 5], [5, 0]], atol=1e-6)
    assert task.decode(scores)[1] == {"valence": 5.0, "arousal": 0.0}
    free = build("regression", ranges={})
    free.prepare([utterance({"valence": v, "arousal": 5.0}) for v in (2.0, 3.0, 4.0)])
    assert free.scores(torch.tensor([[100.0, 0.0]]))[0, 0] > 50


def test_values_that_are_missing_or_out_of_range_are_input_errors() -> None:
    task = build("regression")
    with pytest.raises(
        InputError, match="utterance u1: no value for 'arousal'; task regression needs all of valence, arousal"
    ):
        task.target(utterance({"valence": 3.0}))
    with pytest.raises(InputError, match=r"utterance u1: valence is 5\.5; it must be from 1 to 5"):
        task.target(utterance({"valence": 5.5, "arousal": 1.0}))
    with pytest.raises(InputError, match="valence is nan; it must be from 1 to 5"):
        task.target(utterance({"valence": float("nan"), "arousal": 1.0}))


def test_settings_of_a_regression() -> None:
    assert build("regression").primary_metric == "mean_ccc"
    assert build("regression", primary_metric="pearson").primary_metric == "mean_pearson"
    assert not build("regression", primary_metric="mean_mae").higher_is_better
    with pytest.raises(InputError, match="unknown loss 'cc' in task regression; did you mean 'ccc'"):
        build("regression", loss="cc")
    with pytest.raises(
        InputError, match="unknown dimension of ranges 'valance' in task regression; did you mean 'valence'"
    ):
        build("regression", ranges={"valance": (0, 1)})
    with pytest.raises(InputError, match="the range of 'valence' is"):
        build("regression", ranges={"valence": (5, 1)})


def test_figures_of_a_regression_are_by_dimension_and_their_means() -> None:
    task = build("regression")
    _, targets, scores = some_rows(task, 50)
    found = task.metrics(targets, scores)
    for figure in ("ccc", "pearson", "mae", "mse"):
        assert found[f"mean_{figure}"] == pytest.approx(np.mean(list(found[figure].values())))
        assert {name: each[figure] for name, each in found["per_label"].items()} == found[figure]

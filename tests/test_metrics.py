"""Every figure against an independent implementation, on random cases with absent classes and constant predictions."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from multimodal_emotion import metrics

LABELS = 5


def random_decisions(cases: int = 25) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """True and predicted label numbers: some labels are never true, never predicted, or neither."""
    for seed in range(cases):
        generator = np.random.default_rng(seed)
        rows = int(generator.integers(1, 40))
        true = generator.choice(generator.permutation(LABELS)[: generator.integers(1, LABELS + 1)], size=rows)
        predicted = generator.choice(generator.permutation(LABELS)[: generator.integers(1, LABELS + 1)], size=rows)
        yield true, np.where(generator.random(rows) < generator.random(), true, predicted)


def random_sets(cases: int = 25) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """True and predicted sets of labels, some of them empty."""
    for seed in range(cases):
        generator = np.random.default_rng(seed)
        shape = (int(generator.integers(1, 40)), LABELS)
        true = generator.random(shape) < generator.random(LABELS)
        yield true, np.where(generator.random(shape) < generator.random(), true, generator.random(shape) < 0.3)


def counts(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return metrics.label_counts(metrics.one_hot(true, LABELS), metrics.one_hot(predicted, LABELS)).sum(axis=0)


@pytest.mark.parametrize("name", ["accuracy", "uar", "macro_f1", "micro_f1", "weighted_f1"])
def test_figures_of_labels_are_those_of_scikit_learn(name: str) -> None:
    for true, predicted in random_decisions():
        found = getattr(metrics, name)(counts(true, predicted))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name == "accuracy":
                expected = reference.accuracy_score(true, predicted)
            elif name == "uar":
                expected = reference.balanced_accuracy_score(true, predicted)
            else:
                expected = reference.f1_score(true, predicted, average=name.removesuffix("_f1"))
        assert found == pytest.approx(expected)


def test_figures_of_each_label_are_those_of_scikit_learn() -> None:
    for true, predicted in random_decisions():
        found = counts(true, predicted)
        expected = reference.precision_recall_fscore_support(true, predicted, labels=range(LABELS), zero_division=0)
        for figure, values in zip(
            (metrics.precision, metrics.recall, metrics.f1, metrics.support), expected, strict=True
        ):
            np.testing.assert_allclose(figure(found), values)
        np.testing.assert_array_equal(metrics.predicted(found), np.bincount(predicted, minlength=LABELS))
        np.testing.assert_array_equal(
            metrics.confusion(true, predicted, LABELS),
            reference.confusion_matrix(true, predicted, labels=range(LABELS)),
        )


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_figures_of_sets_are_those_of_scikit_learn(average: str) -> None:
    for true, predicted in random_sets():
        found = getattr(metrics, f"{average}_f1")(metrics.label_counts(true, predicted).sum(axis=0))
        # A label that is neither true nor predicted has no F1; scikit-learn has the same choice as zero_division=nan.
        expected = reference.f1_score(true, predicted, average=average, zero_division=np.nan)
        assert found == pytest.approx(expected, nan_ok=True)


def test_agreement_of_sets_is_that_of_scikit_learn() -> None:
    for true, predicted in random_sets():
        agreement = metrics.set_agreement(true, predicted).sum(axis=0)
        expected = reference.jaccard_score(true, predicted, average="samples", zero_division=1.0)
        assert metrics.jaccard(agreement) == pytest.approx(expected)
        assert metrics.subset_accuracy(agreement) == pytest.approx(reference.accuracy_score(true, predicted))


def test_confusion_of_sets_counts_what_stands_in_the_place_of_what() -> None:
    true = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    predicted = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)
    np.testing.assert_array_equal(metrics.set_confusion(true, predicted), [[2, 0, 0], [0, 0, 1], [0, 0, 0]])


def test_figures_without_utterances_are_undefined() -> None:
    for name in ("accuracy", "uar", "macro_f1", "micro_f1", "weighted_f1"):
        assert np.isnan(getattr(metrics, name)(np.zeros((LABELS, 3))))
    for name in ("pearson", "ccc", "mae", "mse"):
        assert np.isnan(getattr(metrics, name)(metrics.moments(np.zeros((0, 2)), np.zeros((0, 2))).sum(axis=0))).all()


def test_every_figure_declares_its_direction() -> None:
    lower = {name for name, higher in metrics.HIGHER_IS_BETTER.items() if not higher}
    assert lower == {"calibration_error", "mae", "mse"}
    for name in metrics.HIGHER_IS_BETTER:
        assert name in metrics.__all__


def test_calibration_error_by_hand_and_by_a_loop() -> None:
    binned = metrics.calibration_bins(np.array([0.95, 0.97, 1.0, 0.5]), np.array([True, False, True, True]))
    assert metrics.calibration_error(binned.sum(axis=0)) == pytest.approx((abs(2.92 - 2) + abs(0.5 - 1)) / 4)
    for seed in range(20):
        generator = np.random.default_rng(seed)
        confidence = generator.random(100).astype(np.float32)
        confidence[:3] = 0, 1, 2 / 15
        right = generator.random(100) < confidence
        expected = 0.0
        for place in range(15):
            inside = (confidence > np.float32(place / 15)) & (confidence <= np.float32((place + 1) / 15))
            inside |= (confidence == 0) & (place == 0)
            if inside.any():
                expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
        found = metrics.calibration_error(metrics.calibration_bins(confidence, right).sum(axis=0))
        assert found == pytest.approx(expected, abs=1e-6)


def test_calibration_noise_is_what_a_calibrated_model_gets() -> None:
    # One bin: the gap between the mean of n fair coins and 1/2 is normal; its size is sqrt(2 / pi) deviations in the mean.
    deviation = 0.5 / np.sqrt(400)
    mean, most = metrics.calibration_noise(np.full(400, 0.5), draws=4000)
    assert mean == pytest.approx(np.sqrt(2 / np.pi) * deviation, rel=0.05)
    assert most == pytest.approx(1.96 * deviation, rel=0.08)
    assert metrics.calibration_noise(np.ones(30)) == (0.0, 0.0)
    few, many = (metrics.calibration_noise(np.random.default_rng(0).random(rows))[0] for rows in (50, 5000))
    assert many < 0.2 * few


# ---------------------------------------------------------------------------------------------------------------- spans


def reference_spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """Spans by a state machine over characters, written apart from the package's."""
    found, start, kind = set(), None, None
    for position, tag in enumerate([*tags, "O"]):
        prefix, now = ("O", None) if tag == "O" else (tag[0], tag[2:])
        ends = start is not None and (now != kind or prefix in "BS" or (position and tags[position - 1][0] in "ES"))
        if ends:
            found.add((kind, start, position))
            start = None
        if start is None and now is not None:
            start, kind = position, now
    return found


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-A I-A O B-A", [("A", 0, 2), ("A", 3, 4)]),
        ("B-A B-A I-B", [("A", 0, 1), ("A", 1, 2), ("B", 2, 3)]),
        ("O I-A I-A", [("A", 1, 3)]),
        ("T-POS T-POS T-NEG O T-NEG", [("POS", 0, 2), ("NEG", 2, 3), ("NEG", 4, 5)]),
        ("B-A E-A E-A S-A S-A I-A", [("A", 0, 2), ("A", 2, 3), ("A", 3, 4), ("A", 4, 5), ("A", 5, 6)]),
        ("CAUSE CAUSE O", [("CAUSE", 0, 2)]),
    ],
)
def test_spans_of_a_sentence(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert metrics.spans(tags.split()) == expected


def test_spans_and_their_f1_are_those_of_a_second_implementation() -> None:
    tags = ["O", "O", "B-X", "I-X", "B-Y", "I-Y", "T-X", "E-X", "S-Y"]
    for seed in range(200):
        generator = np.random.default_rng(seed)
        true = generator.choice(tags, size=generator.integers(0, 15)).tolist()
        predicted = np.where(generator.random(len(true)) < 0.6, true, generator.choice(tags, size=len(true))).tolist()
        first, second = reference_spans(true), reference_spans(predicted)
        assert {tuple(span) for span in metrics.spans(true)} == first
        found = metrics.span_counts(true, predicted, ("X", "Y"))
        if first or second:
            assert metrics.span_f1(found) == pytest.approx(2 * len(first & second) / (len(first) + len(second)))
        assert metrics.span_precision(found) == pytest.approx(len(first & second) / max(len(second), 1))
        assert metrics.span_recall(found) == pytest.approx(len(first & second) / max(len(first), 1))


def test_macro_f1_of_spans_is_the_mean_over_types() -> None:
    found = metrics.span_counts(["B-X", "O", "B-Y", "B-Y"], ["B-X", "O", "B-Y", "O"], ("X", "Y", "Z"))
    assert metrics.macro_span_f1(found) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.span_types(["O", "B-X", "I-X", "T-Y", "Z"]) == ("X", "Y", "Z")


# --------------------------------------------------------------------------------------------------------------- values


def test_figures_of_values_are_those_of_scipy_and_scikit_learn() -> None:
    for seed in range(30):
        generator = np.random.default_rng(seed)
        true = generator.normal(3, 0.3, (int(generator.integers(3, 50)), 2))
        predicted = 100 * seed + true * generator.normal() + generator.normal(0, 0.2, true.shape)
        found = metrics.moments(true, predicted).sum(axis=0)
        for dimension in range(2):
            x, y = true[:, dimension], predicted[:, dimension]
            covariance = np.cov(x, y, bias=True)
            concordance = 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + (x.mean() - y.mean()) ** 2)
            assert metrics.pearson(found)[dimension] == pytest.approx(stats.pearsonr(x, y).statistic)
            assert metrics.ccc(found)[dimension] == pytest.approx(concordance)
            assert metrics.mae(found)[dimension] == pytest.approx(reference.mean_absolute_error(x, y))
            assert metrics.mse(found)[dimension] == pytest.approx(reference.mean_squared_error(x, y))


def test_constant_predictions_explain_nothing() -> None:
    true = np.random.default_rng(0).normal(size=(30, 1))
    found = metrics.moments(true, np.full((30, 1), 0.1)).sum(axis=0)
    assert metrics.pearson(found)[0] == 0
    assert metrics.ccc(found)[0] == 0
    # A resample can be constant where the whole is not.
    sums = metrics.moments(true[:2], np.array([[0.1], [0.7]])) * 5
    assert metrics.pearson(sums)[0, 0] == 0
    same = metrics.moments(np.full((4, 1), 0.3), np.full((4, 1), 0.3)).sum(axis=0)
    assert metrics.ccc(same)[0] == 1


# ------------------------------------------------------------------------------------------------------------ intervals


def shares(sums: metrics.Statistics) -> dict[str, np.ndarray]:
    return {
        "share": sums["right"] / np.maximum(sums["all"], 1),
        "pair": np.stack([sums["right"], sums["all"]], axis=-1),
    }


def right_or_not(share: float, rows: int = 1000, seed: int = 0) -> dict[str, np.ndarray]:
    right = np.random.default_rng(seed).random(rows) < share
    return {"right": right.astype(int), "all": np.ones(rows, dtype=int)}


def test_bootstrap_of_a_share_is_the_interval_of_a_proportion() -> None:
    statistics = right_or_not(0.7)
    low, high = metrics.bootstrap(statistics, shares, resamples=4000)["share"]
    share = statistics["right"].mean()
    half = 1.96 * np.sqrt(share * (1 - share) / 1000)
    assert low == pytest.approx(share - half, abs=0.004)
    assert high == pytest.approx(share + half, abs=0.004)


def test_bootstrap_draws_are_seeded_and_those_of_a_plain_loop() -> None:
    statistics = right_or_not(0.4, rows=50)
    found = metrics.bootstrap(statistics, shares, resamples=300, seed=3)
    generator = np.random.default_rng(3)
    drawn = [statistics["right"][generator.integers(50, size=50)].mean() for _ in range(300)]
    np.testing.assert_allclose(found["share"], np.percentile(drawn, (2.5, 97.5)))
    assert found["pair"].shape == (2, 2)
    many = right_or_not(0.4)
    first, same, other = (metrics.bootstrap(many, shares, seed=seed, level=0.813)["share"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_bootstrap_of_many_utterances_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = right_or_not(0.4, rows=50)
    whole = metrics.bootstrap(statistics, shares, resamples=100)["share"]
    monkeypatch.setattr("multimodal_emotion.metrics._resampling.CELLS", 7 * 50)
    np.testing.assert_allclose(metrics.bootstrap(statistics, shares, resamples=100)["share"], whole)


def test_bootstrap_of_groups_is_wider_where_groups_differ() -> None:
    generator = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 50)
    right = generator.random(1000) < np.repeat(generator.random(20), 50)
    statistics = {"right": right.astype(int), "all": np.ones(1000, dtype=int)}
    of_utterances = np.ptp(metrics.bootstrap(statistics, shares)["share"])
    of_speakers = np.ptp(
        metrics.bootstrap(statistics, shares, groups=[f"speaker {name}" for name in speakers])["share"]
    )
    by_speaker = right.reshape(20, 50).mean(axis=1)
    assert of_speakers > 3 * of_utterances
    assert of_speakers == pytest.approx(2 * 1.96 * by_speaker.std() / np.sqrt(20), rel=0.15)


def test_bootstrap_leaves_out_resamples_where_a_figure_is_undefined() -> None:
    counts = np.zeros((2, 1, 3))
    counts[0] = 1
    found = metrics.bootstrap({"labels": counts}, lambda sums: {"f1": metrics.micro_f1(sums["labels"])})
    np.testing.assert_array_equal(found["f1"], [1, 1])
    never = metrics.bootstrap({"labels": np.zeros((2, 1, 3))}, lambda sums: {"f1": metrics.micro_f1(sums["labels"])})
    assert np.isnan(never["f1"]).all()


def test_paired_bootstrap_sees_a_difference_and_none() -> None:
    first, second = right_or_not(0.6), right_or_not(0.6)
    second["right"][:60] = 1
    found = metrics.paired_bootstrap(first, second, shares, "share")
    assert found.difference == pytest.approx(second["right"].mean() - first["right"].mean())
    assert 0 < found.low < found.difference < found.high
    assert found.p < 0.01
    assert metrics.paired_bootstrap(first, first, shares, "share").p == 1
    other = metrics.paired_bootstrap(first, right_or_not(0.6, seed=1), shares, "share")
    assert other.low < 0 < other.high
    assert other.p > 0.05


def test_mcnemar_is_the_exact_binomial_test_of_the_disagreements() -> None:
    first = np.array([True] * 10 + [False] * 2 + [True] * 50 + [False] * 5)
    second = np.array([False] * 10 + [True] * 2 + [True] * 50 + [False] * 5)
    assert metrics.mcnemar(first, second) == pytest.approx(2 * stats.binom.cdf(2, 12, 0.5))
    assert metrics.mcnemar(first, first) == 1

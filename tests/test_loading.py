from collections import Counter

import numpy as np
import pytest
import torch

from multimodal_emotion.batch import Utterance, pad
from multimodal_emotion.encoders._base import Preparation
from multimodal_emotion.errors import InputError
from multimodal_emotion.loading import Rows, collate_for, groups_of, loader, plan
from multimodal_emotion.tasks.multiclass import Multiclass
from multimodal_emotion.tasks.multilabel import Multilabel


class Letters(Preparation):
    """One number for each letter; a text "bad" cannot be read."""

    fill = 9.0
    max_length = 6

    def read(self, utterance):
        if utterance.text == "bad":
            raise InputError("cannot be read")
        return utterance.text

    def __call__(self, medium):
        return np.array([ord(letter) for letter in medium], dtype=np.int64)


def rows(*texts, **options):
    utterances = [Utterance(id=str(number), text=text) for number, text in enumerate(texts)]
    return Rows(utterances, {"text": Letters()}, **options)


def test_rows_are_padded_with_the_fill_to_the_longest():
    data = rows("ab", None, "c")
    (batch,) = loader(data, [[0, 1, 2]], collate_for(data.preparations))
    assert batch.inputs["text"].values.tolist() == [[97, 98], [9, 9], [99, 9]]
    assert batch.inputs["text"].present.tolist() == [True, False, True]
    assert batch.ids == ("0", "1", "2")


def test_padding_to_the_encoders_length():
    data = rows("ab")
    (batch,) = loader(data, [[0]], collate_for(data.preparations, padding="max_length"))
    assert batch.inputs["text"].values.shape == (1, 6)


def test_what_cannot_be_read_is_an_error_or_absent():
    with pytest.raises(InputError, match="utterance 1: cannot be read"):
        rows("a", "bad")[1]
    row = rows("a", "bad", on_error="skip")[1]
    assert not row.present
    assert row.errors == ("cannot be read",)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_the_same_batches(workers):
    data = rows(*("abcdefgh"[: 1 + n % 8] for n in range(10)))
    batches = list(
        loader(data, plan([len(u.text) for u in data.utterances], 3, seed=1), collate_for(data.preparations), workers)
    )
    again = list(
        loader(data, plan([len(u.text) for u in data.utterances], 3, seed=1), collate_for(data.preparations), 0)
    )
    for one, other in zip(batches, again, strict=True):
        assert one.ids == other.ids
        assert one.inputs["text"].values.equal(other.inputs["text"].values)


@pytest.mark.parametrize("buckets", [True, False])
@pytest.mark.parametrize("seed", [None, 3])
def test_a_plan_has_each_row_once(buckets, seed):
    lengths = np.random.default_rng(0).integers(1, 50, 1000).tolist()
    batches = plan(lengths, 16, seed=seed, buckets=buckets)
    assert sorted(number for batch in batches for number in batch) == list(range(1000))
    assert {len(batch) for batch in batches} <= {16, 8}
    assert batches == plan(lengths, 16, seed=seed, buckets=buckets)


def test_buckets_save_padding_and_stay_shuffled():
    lengths = np.random.default_rng(0).integers(1, 100, 4000).tolist()

    def padding(batches):
        return sum(max(lengths[n] for n in batch) * len(batch) - sum(lengths[n] for n in batch) for batch in batches)

    grouped, plain = (plan(lengths, 16, seed=0, buckets=buckets) for buckets in (True, False))
    assert padding(grouped) < 0.1 * padding(plain)
    assert plan(lengths, 16, seed=1) != grouped
    means = [np.mean([lengths[n] for n in batch]) for batch in grouped]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.3


@pytest.mark.parametrize("buckets", [True, False])
def test_a_balanced_plan_has_as_many_rows_of_each_group(buckets):
    groups = ["many"] * 80 + ["some"] * 18 + ["few"] * 4
    lengths = np.random.default_rng(0).integers(1, 50, len(groups)).tolist()
    epochs = [plan(lengths, 16, seed=seed, buckets=buckets, groups=groups) for seed in range(3)]
    for batches in epochs:
        numbers = [number for batch in batches for number in batch]
        assert len(numbers) == len(groups)
        assert Counter(groups[number] for number in numbers) == {"many": 34, "some": 34, "few": 34}
        times = Counter(numbers)
        # What is repeated is repeated evenly, what is drawn from is drawn without replacement.
        assert {times[n] for n in range(80)} == {0, 1}
        assert {times[n] for n in range(80, 98)} == {1, 2}
        assert {times[n] for n in range(98, 102)} == {8, 9}
    assert epochs[0] == plan(lengths, 16, seed=0, buckets=buckets, groups=groups)
    drawn = [{n for batch in batches for n in batch if n < 80} for batches in epochs]
    assert drawn[0] != drawn[1] != drawn[2]


def test_groups_that_do_not_divide_an_epoch_differ_by_one_row_in_it():
    groups = [*"aaaaaaab", "c", "c"]
    for seed in range(5):
        (numbers,) = plan([1] * 10, 10, seed=seed, groups=groups)
        assert sorted(Counter(groups[n] for n in numbers).values()) == [3, 3, 4]


def test_what_sampling_may_balance():
    task = Multiclass(["joy", "fear"])
    utterances = [
        Utterance(id=str(n), text="x", label=label, speaker=str(n % 2), extra={"corpus": f"c{n}"})
        for n, label in enumerate(["joy", {"joy": 1.0, "fear": 2.0}, "joy"])
    ]
    assert groups_of(utterances, task, "none") is None
    assert groups_of(utterances, task, "label") == ["joy", "fear", "joy"]
    assert groups_of(utterances, task, "speaker") == ["0", "1", "0"]
    assert groups_of(utterances, task, "corpus") == ["c0", "c1", "c2"]
    with pytest.raises(InputError, match=r"is 'corpsu', but utterance 0 has none \(known: label, .*, corpus\)"):
        groups_of(utterances, task, "corpsu")
    with pytest.raises(InputError, match="utterance 0 has none"):
        groups_of(utterances, task, "dialogue")
    with pytest.raises(InputError, match="which task multilabel has not"):
        groups_of(utterances, Multilabel(["joy", "fear"]), "label")


def test_an_empty_plan():
    assert plan([], 4, seed=0) == []


def test_pad_knows_absent_rows():
    padded = pad([None, torch.ones(2, 3)])
    assert padded.values.shape == (2, 2, 3)
    assert padded.present.tolist() == [False, True]
    assert pad([None, None]).values.shape == (2, 1)

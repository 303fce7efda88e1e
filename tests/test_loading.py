import numpy as np
import pytest
import torch

from multimodal_emotion.batch import Utterance, pad
from multimodal_emotion.encoders._base import Preparation
from multimodal_emotion.errors import InputError
from multimodal_emotion.loading import Rows, collate_for, loader, plan


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


def test_an_empty_plan():
    assert plan([], 4, seed=0) == []


def test_pad_knows_absent_rows():
    padded = pad([None, torch.ones(2, 3)])
    assert padded.values.shape == (2, 2, 3)
    assert padded.present.tolist() == [False, True]
    assert pad([None, None]).values.shape == (2, 1)

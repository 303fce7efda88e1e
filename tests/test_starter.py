"""The starter corpus: its sentences, its splits, its generated media."""

import json
from collections import Counter
from pathlib import Path

import pytest
from miniatures import starter as miniature

from multimodal_emotion.datasets._base import SPLITS
from multimodal_emotion.datasets._leakage import leakage
from multimodal_emotion.datasets.starter import LABELS, Starter
from multimodal_emotion.errors import InputError


@pytest.fixture(scope="module")
def rows() -> dict[str, list]:
    corpus = Starter()
    return {split: list(corpus.utterances(split)) for split in corpus.splits}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    miniature.build(tmp_path)
    return tmp_path


def test_the_packaged_corpus_has_the_size_that_it_says(rows: dict[str, list]) -> None:
    assert tuple(rows) == SPLITS
    assert [len(utterances) for utterances in rows.values()] == [280, 60, 60]
    assert [len({row.speaker for row in utterances}) for utterances in rows.values()] == [8, 2, 2]
    assert [len({row.dialogue for row in utterances}) for utterances in rows.values()] == [56, 12, 12]
    assert Starter().modalities == ("text",)
    assert Starter().notes() == []


def test_every_label_is_in_every_split_often_enough(rows: dict[str, list]) -> None:
    for utterances in rows.values():
        counts = Counter(row.label for row in utterances)
        assert set(counts) == set(LABELS)
        assert min(counts.values()) >= 0.09 * len(utterances)


def test_nothing_leaks_between_splits(rows: dict[str, list]) -> None:
    for shared in leakage(rows)["between"].values():
        assert shared["texts"]["count"] == shared["media"]["count"] == 0
        assert not shared["speakers"]
        assert not shared["dialogues"]


def test_sentences_are_plain_short_and_different(rows: dict[str, list]) -> None:
    texts = [row.text for utterances in rows.values() for row in utterances]
    assert len({text.lower() for text in texts}) == len(texts)
    assert all(4 <= len(text.split()) <= 25 for text in texts)
    assert all(text.isascii() and text == text.strip() and text[-1] in ".!?" for text in texts)


def test_the_name_of_an_emotion_does_not_give_it_away(rows: dict[str, list]) -> None:
    for utterances in rows.values():
        assert not [row.id for row in utterances if row.label in row.text.lower().split()]


def test_dialogues_are_whole_and_in_order(rows: dict[str, list]) -> None:
    for utterances in rows.values():
        turns: dict[str, list[int]] = {}
        for row in utterances:
            turns.setdefault(row.dialogue, []).append(row.turn)
        assert all(found == list(range(len(found))) and 4 <= len(found) <= 6 for found in turns.values())


def test_media_are_attached_and_generated_once(small: Path, tmp_path: Path) -> None:
    media = tmp_path / "media"
    corpus = Starter(small, media=str(media))
    assert corpus.modalities == ("audio", "image", "text")
    assert corpus.notes() == [f"the speech and faces in {media} are generated"]
    first, second = corpus.utterances("train")
    assert (first.audio, second.video) == (media / "bus-0.wav", media / "bus-1.mp4")
    written = first.video.stat().st_mtime_ns
    assert Starter(small, media=media).utterances("train")[0] == first
    assert first.video.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "boredom"}, "unknown label 'boredom' in .*utterances.jsonl, line 1"),
        ({"split": "dev"}, "unknown split 'dev' in .*utterances.jsonl, line 1"),
        ({"turn": "first"}, "line 1: turn is 'first'; a whole number is expected"),
    ],
)
def test_a_broken_row_is_named(change: dict[str, str], message: str, small: Path) -> None:
    path = small / "utterances.jsonl"
    first, *others = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | change), *others]), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        Starter(small).utterances("train")


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    assert Starter(tmp_path).missing() == ["no utterances.jsonl"]
    with pytest.raises(InputError, match=r"corpus starter: no train split in .* no utterances.jsonl"):
        Starter(tmp_path).utterances("train")

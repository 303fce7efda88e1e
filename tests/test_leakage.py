from pathlib import Path

import pytest
from miniatures._write import write

from multimodal_emotion import registry
from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._leakage import duplicates_of_training, leakage


def said(*texts: str | None, prefix: str) -> list[Utterance]:
    return [Utterance(f"{prefix}{number}", text=text) for number, text in enumerate(texts)]


def test_texts_are_compared_without_case_and_white_space() -> None:
    splits = {
        "train": said("So  it IS", "Straße", None, prefix="a"),
        "validation": said("new", prefix="b"),
        "test": said(" so it is\n", "strasse", "other", None, prefix="c"),
    }
    found = leakage(splits)
    assert found["between"]["train/test"]["texts"] == {"count": 2, "ids": ["c0", "c1"]}
    assert found["between"]["validation/test"]["texts"]["count"] == 0
    assert found["duplicates"] == {"validation": {"count": 0, "ids": []}, "test": {"count": 2, "ids": ["c0", "c1"]}}
    assert set(found["between"]) == {"train/validation", "train/test", "validation/test"}


def test_words_stand_for_a_text_that_is_not_there() -> None:
    splits = {"train": said("all right", prefix="a"), "test": [Utterance("b", words=("All", "right"))]}
    assert duplicates_of_training(splits, "test") == ["b"]


def test_media_are_compared_by_content_and_interval(tmp_path: Path) -> None:
    write(tmp_path, {"a.wav": "sound", "copy.wav": "sound", "same_size.wav": "SOUND", "other.wav": "other sound"})
    train = [
        Utterance("whole", audio=tmp_path / "a.wav", text="dogs"),
        Utterance("cut", audio=tmp_path / "other.wav", start=1.0, end=2.0),
    ]
    test = [
        Utterance("copied", audio=tmp_path / "copy.wav", text="dogs"),
        Utterance("different", audio=tmp_path / "same_size.wav", text="dogs"),
        Utterance("same cut", audio=tmp_path / "x" / ".." / "other.wav", start=1.0, end=2.0),
        Utterance("other cut", audio=tmp_path / "other.wav", start=2.0, end=3.0),
    ]
    found = leakage({"train": train, "test": test})
    assert found["between"]["train/test"]["media"] == {"count": 2, "ids": ["copied", "same cut"]}
    assert found["between"]["train/test"]["texts"]["ids"] == ["copied", "different"]
    assert found["duplicates"]["test"]["ids"] == ["copied", "same cut"]


def test_what_the_model_reads_decides_what_a_duplicate_is(tmp_path: Path) -> None:
    write(tmp_path, {"a.mp4": "clip one", "b.mp4": "clip two"})
    splits = {
        "train": [Utterance("a", video=tmp_path / "a.mp4", text="dogs")],
        "test": [Utterance("b", video=tmp_path / "b.mp4", text="dogs")],
    }
    assert duplicates_of_training(splits, "test") == []
    assert duplicates_of_training(splits, "test", ("text",)) == ["b"]
    assert duplicates_of_training(splits, "test", ("audio", "text")) == []
    assert duplicates_of_training(splits, "test", ("face",)) == []


def test_shared_speakers_and_dialogues() -> None:
    def talk(prefix: str, dialogue: str, *texts: str) -> list[Utterance]:
        return [
            Utterance(f"{prefix}{turn}", text=text, speaker=f"s{turn}", dialogue=dialogue, turn=turn)
            for turn, text in enumerate(texts)
        ]

    train = talk("a", "d1", "Hello", "Hi", "Bye") + talk("b", "d2", "What?")
    test = talk("c", "d3", "hello", "hi", "bye") + talk("d", "d4", "What?") + talk("e", "d2", "So", "No")
    pair = leakage({"train": train, "test": test})["between"]["train/test"]
    assert pair["speakers"] == ["s0", "s1", "s2"]
    # d3 repeats d1 word for word, d2 is the same dialogue; one word alone (d4) makes no dialogue.
    assert pair["dialogues"] == ["d2", "d3"]


def test_without_a_training_split_there_are_no_duplicates() -> None:
    assert leakage({"test": said("a", prefix="a")}) == {"between": {}, "duplicates": {}}


@pytest.mark.corpora
def test_real_smp2020_test_texts_stand_in_training(corpora_root: Path) -> None:
    corpus = registry.build("datasets", "smp2020", corpora_root / "smp2020_ewect", "usual")
    splits = {split: corpus.utterances(split) for split in corpus.splits}
    assert len(duplicates_of_training(splits, "test")) == 237

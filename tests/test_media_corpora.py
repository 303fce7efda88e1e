"""Corpora of recordings and pictures: what is particular about each release, on miniatures and on the real data at hand."""

import csv
import importlib
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from miniatures._write import write

from multimodal_emotion import registry
from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._base import Corpus
from multimodal_emotion.datasets._media import draw, files_below
from multimodal_emotion.datasets._unpack import unzip
from multimodal_emotion.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MULTIMODAL_EMOTION_CACHE", str(cache))
    return cache


def miniature(name: str, root: Path, level: str | None = None, **options: object) -> Corpus:
    root.mkdir(exist_ok=True)
    importlib.import_module(f"miniatures.{name}").build(root)
    return registry.build("datasets", name, root, level, **options)


def everything(corpus: Corpus) -> dict[str, Utterance]:
    return {utterance.id: utterance for split in corpus.splits for utterance in corpus.utterances(split)}


def labels(corpus: Corpus) -> dict[str, object]:
    return {name: utterance.label for name, utterance in everything(corpus).items()}


# ---- what they share -------------------------------------------------------------------------------------------------

RECORDED = ("ravdess", "crema_d", "savee", "tess", "emodb", "nemo", "urdu", "iemocap", "msp_improv", "ck_plus")


@pytest.mark.parametrize("name", RECORDED)
def test_nobody_stands_in_two_splits(name: str, tmp_path: Path) -> None:
    corpus = miniature(name, tmp_path)
    speakers = [{utterance.speaker for utterance in corpus.utterances(split)} for split in corpus.splits]
    assert sum(map(len, speakers)) == len(set.union(*speakers))
    assert None not in set.union(*speakers)


@pytest.mark.parametrize("name", [*RECORDED, "ravdess_lj"])
def test_folds_are_columns_that_every_utterance_has(name: str, tmp_path: Path) -> None:
    corpus = miniature(name, tmp_path)
    assert corpus.folds
    for utterance in everything(corpus).values():
        assert all(utterance.speaker if column == "speaker" else utterance.extra[column] for column in corpus.folds)


def test_draw_depends_on_the_name_alone_and_is_about_80_10_10() -> None:
    shares = Counter(draw(str(number)) for number in range(5000))
    assert shares["train"] / 5000 == pytest.approx(0.8, abs=0.02)
    assert shares["test"] / 5000 == pytest.approx(0.1, abs=0.02)
    assert [draw("1001"), draw("1008"), draw("1040")] == ["train", "test", "validation"]


def test_files_come_by_ending_then_by_name(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(("b/2.wav", "a/3.MP3", "deep/er/2.wav", "1.wav", "._1.wav", "1.txt"), ""))
    found = files_below(tmp_path, (".wav", ".mp3"))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["1.wav", "b/2.wav", "deep/er/2.wav", "a/3.MP3"]


def test_a_manifest_beside_the_files_adds_columns_and_says_splits_and_words(tmp_path: Path) -> None:
    miniature("urdu", tmp_path)
    (name,) = (path.stem for path in tmp_path.glob("Angry/*"))
    rows = f"path,label,split,transcript,emobox_test_fold\naudio/{name}.flac,angry,val,words,3\n"
    write(tmp_path, {"manifest.csv": rows})
    corpus = registry.build("datasets", "urdu", tmp_path)
    listed = everything(corpus)[name]
    assert (listed.text, listed.extra["emobox_test_fold"], listed.label) == ("words", "3", "anger")
    assert listed in corpus.utterances("validation")
    assert corpus.modalities == ("audio", "text")
    write(tmp_path, {"manifest.csv": rows.replace(",val,", ",dev2,")})
    with pytest.raises(InputError, match=r"unknown split 'dev2' in .*manifest.csv, line 2; did you mean 'dev'"):
        registry.build("datasets", "urdu", tmp_path)


def test_a_manifest_of_something_else_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, {"manifest.csv": "text,label\nfine,good\n"})
    assert len(everything(miniature("emodb", tmp_path))) == 6


def test_what_is_not_here_is_counted(tmp_path: Path) -> None:
    assert miniature("emodb", tmp_path / "a").missing() == ["6 of 535 utterances are here"]
    write(tmp_path / "b", {"wav/03a01Fa.wav": "clip"})
    assert registry.build("datasets", "emodb", tmp_path / "b", "clean4").missing() == [
        "validation: nothing of it is here",
        "test: nothing of it is here",
        "1 of 339 utterances are here",
    ]


# ---- sound and video -------------------------------------------------------------------------------------------------


def test_ravdess_puts_the_files_of_a_take_together(tmp_path: Path) -> None:
    corpus = miniature("ravdess", tmp_path)
    rows = everything(corpus)
    assert len(rows) == 9
    take = rows["01-01-01-01-01-01"]
    assert (take.audio.name, take.video.name) == ("03-01-01-01-01-01-01.wav", "01-01-01-01-01-01-01.mp4")
    assert (take.text, take.label, take.speaker) == ("Kids are talking by the door.", "neutral", "01")
    assert take.extra == {
        "gender": "male",
        "intensity": "normal",
        "statement": "01",
        "repetition": "01",
        "emobox_test_fold": "1",
        "lunajimenez_fold": "4",
    }
    assert {split: {row.speaker for row in corpus.utterances(split)} for split in corpus.splits} == {
        "train": {"01"},
        "validation": {"20"},
        "test": {"24"},
    }
    assert corpus.modalities == ("audio", "image", "text")
    assert corpus.notes() == []


def test_ravdess_sings(tmp_path: Path) -> None:
    corpus = miniature("ravdess", tmp_path, "song")
    assert set(labels(corpus).values()) == {"happy"}
    assert len(corpus.labels) == 6
    assert "3 of 1,012 utterances are here" in corpus.missing()


def test_ravdess_folds_hold_every_actor_once() -> None:
    from multimodal_emotion.datasets.ravdess import EMOBOX_FOLDS, LUNAJIMENEZ_FOLDS

    for folds in (EMOBOX_FOLDS, LUNAJIMENEZ_FOLDS):
        assert sorted(actor for actors in folds.values() for actor in actors) == list(range(1, 25))


def test_ravdess_lj_has_action_units_where_there_is_no_sound(tmp_path: Path) -> None:
    corpus = miniature("ravdess_lj", tmp_path)
    first, second = corpus.utterances("train")[0], corpus.utterances("validation")[0]
    assert first.features == {"action_units": (0.5, 0.25)}
    assert (first.audio, second.audio) == (tmp_path / "sound" / "a.flac", None)
    assert (first.speaker, first.extra) == ("01", {"fold": "4"})
    assert corpus.missing()[-1] == "sound of 2 takes, such as 01-01-05-01-01-01-19"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("neutral", "bored", r"unknown label 'bored' in .*manifest.csv, line 2"),
        (",val,", ",devel,", r"unknown split 'devel' in .*manifest.csv, line 3"),
        ("0.25", "much", r"manifest.csv, line 2: AU45_c is 'much'; a number is expected"),
    ],
)
def test_ravdess_lj_names_what_is_wrong(old: str, new: str, message: str, tmp_path: Path) -> None:
    miniature("ravdess_lj", tmp_path)
    write(tmp_path, {"manifest.csv": (tmp_path / "manifest.csv").read_text().replace(old, new, 1)})
    with pytest.raises(InputError, match=message):
        registry.build("datasets", "ravdess_lj", tmp_path)


def test_crema_d_reads_names_actors_and_votes(tmp_path: Path) -> None:
    clip = everything(miniature("crema_d", tmp_path))["1001_DFA_ANG_XX"]
    assert (clip.audio.name, clip.video.name) == ("1001_DFA_ANG_XX.wav", "1001_DFA_ANG_XX.flv")
    assert (clip.label, clip.text, clip.extra["age"]) == ("anger", "Don't forget a jacket.", "51")
    truncated = everything(miniature("crema_d", tmp_path))["1040_ITH_SAD_XX"]
    assert truncated.audio.name == "1040_ITH_SAD_X.wav"
    votes = labels(miniature("crema_d", tmp_path, "face"))["1040_ITH_SAD_XX"]
    assert votes == {"anger": 2, "disgust": 0, "fear": 0, "happiness": 1, "neutral": 4, "sadness": 0}
    (tmp_path / "processedResults" / "tabulatedVotes.csv").unlink()
    corpus = registry.build("datasets", "crema_d", tmp_path, "both")
    assert set(labels(corpus).values()) == {None}
    assert corpus.missing()[-1] == "labels: no tabulatedVotes.csv"


def test_savee_takes_the_speaker_from_folder_or_name(tmp_path: Path) -> None:
    rows = everything(miniature("savee", tmp_path))
    assert len(rows) == 9
    assert (rows["DC_sa01"].label, rows["JE_a02"].label) == ("sadness", "anger")
    assert rows["DC_sa01"].video.name == "sa1.avi"
    assert rows["DC_sa01"].audio.parent.name == "DC"


def test_tess_reads_the_copy_within_the_copy_once(tmp_path: Path) -> None:
    corpus = miniature("tess", tmp_path)
    assert labels(corpus) == {
        "OAF_back_angry": "anger",
        "OAF_bite_neutral": "neutral",
        "YAF_dog_ps": "pleasant surprise",
    }
    assert corpus.splits == ("train", "test")
    assert corpus.utterances("test")[0].text == "Say the word dog."
    assert "TESS data/TESS data" not in str(corpus.utterances("test")[0].audio)
    (note,) = corpus.notes()
    assert note.startswith("3 files have the name of another one and are not read, such as ")


def test_emodb_reads_its_letters(tmp_path: Path) -> None:
    corpus = miniature("emodb", tmp_path)
    assert labels(corpus) == {
        "03a01Fa": "happiness",
        "03a01Wa": "anger",
        "03b10La": "boredom",
        "13a05Nc": "neutral",
        "16b09Ab": "fear",
        "16b09Td": "sadness",
    }
    clip = everything(corpus)["13a05Nc"]
    assert clip.text == "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück."
    assert (clip.speaker, clip.extra["gender"], clip.extra["version"]) == ("13", "female", "c")
    clean = miniature("emodb", tmp_path, "clean4")
    assert set(labels(clean)) == {"03a01Fa", "03a01Wa", "13a05Nc", "16b09Td"}


def test_nemo_takes_words_and_age_from_its_table(tmp_path: Path) -> None:
    rows = everything(miniature("nemo", tmp_path))
    first = rows["WR0_surprised_64"]
    assert (first.text, first.label, first.speaker) == ("„Ród smoka” to serial.", "surprised", "WR0")
    assert first.extra == {"sentence": "64", "gender": "male", "age": "23"}
    assert rows["MP0_sadness_79"].text is None
    (tmp_path / "data.tsv").unlink()
    assert len(everything(registry.build("datasets", "nemo", tmp_path))) == 3


def test_urdu_reads_speaker_and_emotion(tmp_path: Path) -> None:
    rows = everything(miniature("urdu", tmp_path)).values()
    assert sorted(row.label for row in rows) == ["anger", "happiness", "sadness"]
    assert all(row.speaker == row.id.partition("_")[0] for row in rows)


def test_iemocap_reads_turns_in_the_order_of_time(tmp_path: Path) -> None:
    corpus = miniature("iemocap", tmp_path)
    turns = corpus.utterances("train")
    assert [(turn.id, turn.turn, turn.label, turn.speaker) for turn in turns] == [
        ("Ses01F_impro01_F000", 0, "happiness", "Ses01F"),
        ("Ses01F_impro01_M000", 1, None, "Ses01M"),
        ("Ses01F_impro01_F001", 2, None, "Ses01F"),
    ]
    assert [turn.text for turn in turns] == ["Excuse me.", "Do you have your forms?", None]
    assert (turns[0].audio.name, turns[0].start) == ("Ses01F_impro01_F000.wav", None)
    assert turns[0].extra == {
        "session": "1",
        "gender": "female",
        "scenario": "improvised",
        "released_label": "exc",
    }
    assert {split: corpus.utterances(split)[0].extra["session"] for split in corpus.splits} == {
        "train": "1",
        "validation": "4",
        "test": "5",
    }


def test_iemocap_takes_the_interval_of_the_dialogue_where_it_has_a_video(tmp_path: Path) -> None:
    turn = miniature("iemocap", tmp_path).utterances("validation")[0]
    assert (turn.video.name, turn.audio.name) == ("Ses04F_impro01.avi", "Ses04F_impro01.wav")
    assert (turn.start, turn.end) == (6.2901, 8.2357)


def test_iemocap_levels(tmp_path: Path) -> None:
    six, dimensions = (miniature("iemocap", tmp_path, level) for level in ("six", "dimensions"))
    assert [turn.label for turn in six.utterances("test")] == ["excitement", None, "frustration"]
    assert dimensions.utterances("test")[0].label == {"valence": 4.5, "activation": 3.5, "dominance": 2.5}
    assert (six.task, dimensions.task) == ("multiclass", "regression")


def test_iemocap_reads_old_encodings(tmp_path: Path) -> None:
    miniature("iemocap", tmp_path)
    path = tmp_path / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    path.write_bytes("Ses01F_impro01_F000 [006.2901-008.2357]: You’re it.\n".encode("cp1252"))
    corpus = registry.build("datasets", "iemocap", tmp_path)
    assert corpus.utterances("train")[0].text == "You’re it."


def test_msp_improv_knows_who_speaks(tmp_path: Path) -> None:
    corpus = miniature("msp_improv", tmp_path)
    first, second = corpus.utterances("train")
    assert (first.id, first.label, first.speaker) == ("MSP-IMPROV-S01A-F01-P-FM01", "neutral", "F01")
    assert (second.label, second.speaker, second.video) == (None, "M01", None)
    assert first.video.name == "MSP-IMPROV-S01A-F01-P-FM01.avi"
    assert first.extra == {"session": "1", "gender": "female", "scenario": "natural", "intended": "anger"}
    assert [corpus.utterances(split)[0].label for split in ("validation", "test")] == ["sadness", "happiness"]
    dimensions = miniature("msp_improv", tmp_path, "dimensions")
    assert [row.label for row in dimensions.utterances("train")] == [
        {"activation": 3.2, "valence": 3.0, "dominance": 3.1},
        None,
    ]


def test_cmu_mosi_finds_segments_and_their_words(tmp_path: Path) -> None:
    corpus = miniature("cmu_mosi", tmp_path)
    first, second = corpus.utterances("train")
    assert (first.id, first.text, first.label) == ("_dI--eQ6qVU_1", "A great, great film", {"sentiment": 2.4})
    assert (first.video.parent.name, first.audio) == ("_dI--eQ6qVU", None)
    assert (second.text, second.speaker, second.turn) == ("not at all", "_dI--eQ6qVU", 2)
    assert (second.video.name, second.audio.name) == ("_dI--eQ6qVU_2.mp4", "_dI--eQ6qVU_2.wav")
    assert corpus.utterances("test")[0].video.name == "03bSnISJMiM$_$1.mp4"
    assert corpus.ranges == {"sentiment": (-3.0, 3.0)}
    assert corpus.missing() == ["4 of 2,199 utterances are here", "media of 1 segments, such as 0h-zjBukYpk_10"]


def test_cmu_mosei_takes_the_interval_of_a_whole_video(tmp_path: Path) -> None:
    corpus = miniature("cmu_mosei", tmp_path)
    train, validation = corpus.utterances("train")[0], corpus.utterances("validation")[0]
    assert train.text == "I see that a writer is somebody_____who has talent"
    assert (train.video.name, train.start, train.end) == ("--qXJuDtHPw.mp4", 23.199, 30.325)
    assert (validation.video.name, validation.start) == ("-3g5yACwYnA_10.mp4", None)
    assert corpus.utterances("test")[0].video is None


def test_ch_sims_has_a_level_for_each_modality(tmp_path: Path) -> None:
    values = {
        level: miniature("ch_sims", tmp_path, level).utterances("train")[0].label["sentiment"]
        for level in ("all", "text", "audio", "image")
    }
    assert values == {"all": -0.6, "text": -0.8, "audio": 0.0, "image": -0.4}
    assert miniature("ch_sims", tmp_path).utterances("validation")[0].video.name == "0002.mp4"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",-0.6,", ",-1.4,", r"label.csv, line 2: label is -1.4; a number from -1 to 1 is expected"),
        (",-0.6,", ",,", r"label.csv, line 2: label is ''; a number is expected"),
        (",train", ",training", r"unknown split 'training' in .*label.csv, line 2; did you mean 'train'"),
        ("clip_id", "clip", r"label.csv: no column 'clip_id'"),
    ],
)
def test_a_table_of_segments_names_what_is_wrong(old: str, new: str, message: str, tmp_path: Path) -> None:
    miniature("ch_sims", tmp_path)
    path = tmp_path / "label.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        registry.build("datasets", "ch_sims", tmp_path)


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_fer2013_writes_the_pixels_as_pictures_once(tmp_path: Path, own_cache: Path) -> None:
    from PIL import Image

    corpus = miniature("fer2013", tmp_path)
    face = corpus.utterances("train")[0]
    assert own_cache in face.image.parents
    assert np.array_equal(np.array(Image.open(face.image)), (np.arange(48 * 48) % 256).reshape(48, 48))
    assert [corpus.utterances(split)[0].label for split in corpus.splits] == ["anger", "neutral", "happiness"]
    written = face.image.stat().st_mtime_ns
    again = registry.build("datasets", "fer2013", tmp_path)
    assert again.utterances("train")[0] == face
    assert face.image.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("emotion,Usage\n0,Training\n", "no column 'pixels'; emotion, pixels and Usage are expected"),
        ("emotion, Usage, pixels\n0,Training,1 2 3\n", "line 2: 3 pixels; 2304 are expected"),
        ("emotion,pixels,Usage\n0,1 300 3,Training\n", "line 2: pixels are no numbers from 0 to 255"),
        ("emotion,pixels,Usage\n0,1 x 3,Training\n", "line 2: pixels are no numbers from 0 to 255"),
        ("emotion,pixels,Usage\n7,1,Training\n", "line 2: '7' is no label; a number from 0 to 6"),
        ("emotion,pixels,Usage\n0,1,Train\n", "unknown usage 'Train' in .*line 2; did you mean 'Training'"),
        ("emotion,pixels,Usage\n0\n", "unknown usage 'None' in .*line 2"),
    ],
)
def test_fer2013_names_a_broken_row_and_leaves_nothing(
    table: str, message: str, tmp_path: Path, own_cache: Path
) -> None:
    write(tmp_path, {"fer2013.csv": table})
    with pytest.raises(InputError, match=message):
        registry.build("datasets", "fer2013", tmp_path)
    assert not any(path.is_file() for path in own_cache.rglob("*"))


def test_ferplus_labels_are_majorities_or_votes(tmp_path: Path) -> None:
    corpus = miniature("ferplus", tmp_path)
    assert labels(corpus) == {
        "FER2013Train/fer0000000": None,
        "FER2013Train/fer0000001": "neutral",
        "FER2013Valid/fer0028638": "happiness",
        "FER2013Test/fer0032220": None,
        "FER2013Test/fer0032221": "sadness",
    }
    votes = labels(miniature("ferplus", tmp_path, votes=True))["FER2013Test/fer0032220"]
    assert votes == {**dict.fromkeys(corpus.labels, 0), "fear": 5, "contempt": 5}


FERPLUS_MANIFEST = (
    "path,label,split,votes_neutral,votes_happiness,votes_surprise,votes_sadness,votes_anger,votes_disgust,votes_fear,"
    "votes_contempt,votes_unknown,votes_NF,in_test_set\n"
    "FER2013Train/fer0000000.webp,,train,0,0,0,0,0,0,0,0,3,7,0\n"
    "FER2013Train/fer0000001.webp,anger,train,0,0,0,0,10,0,0,0,0,0,1\n"
    "FER2013Valid/fer0000002.webp,fear,validation,0,0,0,0,0,0,10,0,0,0,1\n"
)


@pytest.fixture
def packed_faces(tmp_path: Path) -> Path:
    write(tmp_path, {"manifest.csv": FERPLUS_MANIFEST})
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("FER2013Train/fer0000000", "FER2013Train/fer0000001", "FER2013Valid/fer0000002"):
            archive.writestr(f"{name}.webp", "face")
    return tmp_path


def test_ferplus_unpacks_into_the_cache_and_leaves_test_duplicates_out(packed_faces: Path, own_cache: Path) -> None:
    before = sorted(os.listdir(packed_faces))
    corpus = registry.build("datasets", "ferplus", packed_faces, votes=True)
    assert labels(corpus) == {
        "FER2013Train/fer0000000": None,
        "FER2013Valid/fer0000002": {**dict.fromkeys(corpus.labels, 0), "fear": 10},
    }
    assert own_cache in corpus.utterances("train")[0].image.parents
    assert sorted(os.listdir(packed_faces)) == before
    assert corpus.notes() == [
        "1 training faces stand in the test part too and are left out (test_duplicates keeps them)"
    ]
    every = registry.build("datasets", "ferplus", packed_faces, test_duplicates=True)
    assert labels(every)["FER2013Train/fer0000001"] == "anger"
    assert every.notes() == []


def test_ferplus_takes_a_test_part_that_is_put_beside_packed_training_faces(
    packed_faces: Path, own_cache: Path
) -> None:
    table = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    table += "Training,fer0000000.png,9,0,0,0,0,0,0,0,1,0\nPrivateTest,fer0032220.png,0,0,9,0,0,0,0,0,1,0\n"
    write(packed_faces, {"fer2013new.csv": table, "FER2013Test/fer0032220.png": "face"})
    corpus = registry.build("datasets", "ferplus", packed_faces)
    assert labels(corpus) == {
        "FER2013Train/fer0000000": None,
        "FER2013Valid/fer0000002": "fear",
        "FER2013Test/fer0032220": "surprise",
    }
    assert corpus.splits == ("train", "validation", "test")


def test_ferplus_names_what_is_wrong(packed_faces: Path) -> None:
    write(packed_faces, {"manifest.csv": FERPLUS_MANIFEST.replace("FER2013Valid", "Valid")})
    with pytest.raises(InputError, match=r"unknown folder 'Valid' in .*line 4; did you mean 'FER2013Valid'"):
        registry.build("datasets", "ferplus", packed_faces)
    (packed_faces / "manifest.csv").unlink()
    write(packed_faces, {"fer2013new.csv": "Usage,Image name,neutral\nOther,fer0000000.png,10\n"})
    with pytest.raises(InputError, match=r"unknown usage 'Other' in .*line 2"):
        registry.build("datasets", "ferplus", packed_faces)


def test_a_damaged_archive_is_named_and_leaves_nothing(packed_faces: Path, own_cache: Path) -> None:
    archive = packed_faces / "images.zip"
    archive.write_bytes(archive.read_bytes()[:50])
    with pytest.raises(InputError, match=r"images.zip: not a zip archive, or a damaged one"):
        registry.build("datasets", "ferplus", packed_faces)
    assert not any(path.is_file() for path in own_cache.rglob("*"))


def test_links_to_folders_are_followed_to_each_folder_once(tmp_path: Path) -> None:
    miniature("ravdess", tmp_path / "real")
    (tmp_path / "linked").mkdir()
    for path in (tmp_path / "real").iterdir():
        (tmp_path / "linked" / path.name).symlink_to(path)
    (tmp_path / "linked" / "loop").symlink_to(tmp_path / "linked", target_is_directory=True)
    corpora = [registry.build("datasets", "ravdess", tmp_path / name) for name in ("real", "linked")]
    assert corpora[0].splits == corpora[1].splits
    assert labels(corpora[0]) == labels(corpora[1]) != {}
    assert corpora[1].notes() == corpora[0].notes()


def test_an_archive_cannot_fill_the_disk_nor_write_elsewhere(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("../../escaped.png", "0" * 1000)
    unzip("faces", archive)
    assert [path for path in tmp_path.parent.rglob("escaped.png") if own_cache not in path.parents] == []
    monkeypatch.setattr("multimodal_emotion.datasets._unpack.LARGEST", 999)
    archive.touch()
    os.utime(archive, (1, 1))
    with pytest.raises(InputError, match=r"images.zip: unpacks to 0 GB; at most 0 GB are unpacked"):
        unzip("faces", archive)


def test_ck_plus_takes_the_last_picture_and_for_eight_the_first(tmp_path: Path) -> None:
    seven, eight = (miniature("ck_plus", tmp_path, level) for level in ("seven", "eight"))
    faces = everything(seven)
    assert sorted(face.label for face in faces.values()) == ["anger", "disgust", "surprise"]
    face = next(face for face in faces.values() if face.label == "disgust")
    assert face.image.stem == f"{face.speaker}_001_00000011"
    assert face.extra == {"fold": str(int(face.speaker[1:]) % 10), "action_units": "4:2 7:0"}
    assert len(everything(eight)) == 6
    assert labels(eight)[f"{face.speaker}_001_00000001"] == "neutral"


def test_ck_plus_names_a_broken_label(tmp_path: Path) -> None:
    miniature("ck_plus", tmp_path)
    path = next(tmp_path.rglob("*_emotion.txt"))
    for content in ("9.0000000e+00\n", "happy\n", ""):
        path.write_text(content)
        with pytest.raises(InputError, match=r"_emotion.txt: '.*' is no label; a number from 0 to 7"):
            registry.build("datasets", "ck_plus", tmp_path)


def test_affectnet_reads_its_tables(tmp_path: Path) -> None:
    corpus = miniature("affectnet", tmp_path)
    assert labels(corpus) == {"1/a.jpg": "happiness", "3/d.JPG": "neutral"}
    assert corpus.splits == ("train", "validation")
    dimensions = miniature("affectnet", tmp_path, "dimensions")
    assert labels(dimensions) == {
        "1/a.jpg": {"valence": 0.8, "arousal": 0.1},
        "3/d.JPG": {"valence": 0.0, "arousal": 0.0},
    }


def annotate(root: Path, folder: str, name: str, **values: object) -> None:
    write(root, {f"{folder}/images/{name}.jpg": "face", f"{folder}/annotations/.keep": ""})
    for kind, value in values.items():
        np.save(root / folder / "annotations" / f"{name}_{kind}.npy", np.array(value))


def test_affectnet_reads_its_second_release(tmp_path: Path) -> None:
    annotate(tmp_path, "train_set", "0", exp="7", val="-0.5", aro="0.25")
    annotate(tmp_path, "val_set", "0", exp=2, val=0.5, aro=0.0)
    root = {"root": tmp_path}
    assert labels(registry.build("datasets", "affectnet", **root)) == {
        "train_set/0": "contempt",
        "val_set/0": "sadness",
    }
    assert labels(registry.build("datasets", "affectnet", **root, level="seven")) == {"val_set/0": "sadness"}
    dimensions = labels(registry.build("datasets", "affectnet", **root, level="dimensions"))
    assert dimensions["train_set/0"] == {"valence": -0.5, "arousal": 0.25}
    (tmp_path / "val_set" / "annotations" / "0_aro.npy").unlink()
    with pytest.raises(InputError, match=r"0_aro.npy: not one number in a .npy file"):
        registry.build("datasets", "affectnet", **root)


def test_affectnet_reads_no_pickles(tmp_path: Path) -> None:
    annotate(tmp_path, "train_set", "0", exp=[{"a": 1}], val=0.0, aro=0.0)
    with pytest.raises(InputError, match=r"0_exp.npy: not one number in a .npy file"):
        registry.build("datasets", "affectnet", tmp_path)


def test_raf_db_prefers_aligned_pictures(tmp_path: Path) -> None:
    corpus = miniature("raf_db", tmp_path)
    assert labels(corpus) == {"train_00001": "sadness", "train_00002": "surprise", "test_0001": "neutral"}
    assert [face.image.stem for face in corpus.utterances("train")] == ["train_00001_aligned", "train_00002"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00001.jpg 0", "unknown label '0' in .*list_patition_label.txt, line 1"),
        ("faces.jpg 3", "list_patition_label.txt, line 1: 'faces.jpg 3'; a line such as 'train_00001.jpg 5'"),
    ],
)
def test_raf_db_names_a_broken_line(line: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, {"EmoLabel/list_patition_label.txt": line})
    with pytest.raises(InputError, match=message):
        registry.build("datasets", "raf_db", tmp_path)


# ---- the real data at hand -------------------------------------------------------------------------------------------


def manifest(folder: Path) -> Iterator[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["ravdess", "emodb"])
def test_real_sound_agrees_with_its_manifest(name: str, corpora_root: Path) -> None:
    corpus = registry.build("datasets", name, corpora_root / name)
    by_file = {row.audio.name: (split, row) for split in corpus.splits for row in corpus.utterances(split) if row.audio}
    listed = list(manifest(corpora_root / name))
    assert len(by_file) == len(listed)
    for expected in listed:
        split, row = by_file[Path(expected["path"]).name]
        assert (row.label, row.text) == (expected["label"], expected["transcript"])
        assert expected["subject"] == f"{name}_{row.speaker}"
        assert split.startswith(expected["split"])
        for column in ("gender", "emobox_test_fold", "lunajimenez_fold", "clean4", "duration_s"):
            assert row.extra.get(column) == expected.get(column)


@pytest.mark.corpora
def test_real_ravdess_without_its_manifest_has_the_same_folds(corpora_root: Path, tmp_path: Path) -> None:
    listed = list(manifest(corpora_root / "ravdess"))
    write(tmp_path, {f"Actor/{Path(row['path']).name}": "" for row in listed})
    rows = {row.audio.name: row for row in everything(registry.build("datasets", "ravdess", tmp_path)).values()}
    for expected in listed:
        row = rows[Path(expected["path"]).name]
        assert all(
            row.extra[column] == expected[column] for column in ("gender", "emobox_test_fold", "lunajimenez_fold")
        )


@pytest.mark.corpora
def test_real_clean4_of_emodb_is_what_its_manifest_says(corpora_root: Path) -> None:
    corpus = registry.build("datasets", "emodb", corpora_root / "emodb", "clean4")
    expected = {Path(row["path"]).stem for row in manifest(corpora_root / "emodb") if row["clean4"] == "1"}
    assert set(everything(corpus)) == expected


@pytest.mark.corpora
def test_real_videos_of_ravdess(corpora_root: Path) -> None:
    corpus = registry.build("datasets", "ravdess", corpora_root / "ravdess_av_mini")
    rows = everything(corpus)
    assert len(rows) == 11
    assert all(row.video is not None for row in rows.values())
    assert Counter(row.label for row in rows.values()) == {"surprised": 5, "neutral": 4, "calm": 1, "sad": 1}
    assert {split: {row.extra["repetition"] for row in corpus.utterances(split)} for split in corpus.splits} == {
        "train": {"01"},
        "test": {"02"},
    }


@pytest.mark.corpora
def test_real_action_units(corpora_root: Path) -> None:
    corpus = registry.build("datasets", "ravdess_lj", corpora_root / "ravdess_lj")
    rows = everything(corpus)
    assert len(rows) >= 1200
    assert {len(row.features["action_units"]) for row in rows.values()} == {35}
    assert all(row.audio is not None for row in rows.values())
    assert {row.extra["fold"] for row in rows.values()} == set("01234")


@pytest.mark.corpora
def test_real_faces_have_the_labels_of_their_manifest(corpora_root: Path, tmp_path: Path) -> None:
    with (corpora_root / "ferplus" / "manifest.csv").open() as file:
        header, *lines = file.readlines()
    lines = [*lines[:1000], *lines[-500:]]
    write(tmp_path, {"manifest.csv": header + "".join(lines)})
    with (
        zipfile.ZipFile(corpora_root / "ferplus" / "images.zip") as whole,
        zipfile.ZipFile(tmp_path / "images.zip", "w") as part,
    ):
        for line in lines:
            name = line.partition(",")[0]
            part.writestr(name, whole.read(name))
    expected = {row["path"].partition(".")[0]: row for row in manifest(tmp_path)}
    corpus = registry.build("datasets", "ferplus", tmp_path, test_duplicates=True)
    assert labels(corpus) == {name: row["label"] or None for name, row in expected.items()}
    kept = labels(registry.build("datasets", "ferplus", tmp_path))
    left_out = {name for name, row in expected.items() if row["split"] == "train" and row["in_test_set"] == "1"}
    assert set(kept) == set(expected) - left_out
    assert left_out

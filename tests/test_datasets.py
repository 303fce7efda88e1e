"""Every corpus: what it says of itself, how it reads its released layout, and the published counts.

A corpus needs a miniature of its layout: `tests/miniatures/NAME.py` with `build(root)`, which writes all its splits.
"""

import ast
import importlib
import inspect
import json
import math
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from miniatures import meld as meld_miniature
from miniatures._write import write

import multimodal_emotion.datasets
from multimodal_emotion import registry
from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._base import SPLITS, Corpus
from multimodal_emotion.datasets._context import with_context
from multimodal_emotion.datasets._describe import catalogue, describe, label_counts
from multimodal_emotion.datasets._mapping import mapped
from multimodal_emotion.datasets.manifest import Manifest
from multimodal_emotion.errors import InputError
from multimodal_emotion.labels import SEVEN

NAMES = registry.names("datasets")
CASES = [(name, level) for name in NAMES for level in registry.find("datasets", name).levels or (None,)]
SECTIONS = ("Size", "Origin", "Language", "Elicitation", "Known defects")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a corpus unpacks does not end in the user's cache."""
    monkeypatch.setenv("MULTIMODAL_EMOTION_CACHE", str(tmp_path_factory.mktemp("cache")))


def build_miniature(name: str, root: Path) -> Path:
    root.mkdir(exist_ok=True)
    importlib.import_module(f"miniatures.{name}").build(root)
    return root


def open_miniature(name: str, root: Path, level: str | None = None) -> Corpus:
    return registry.build("datasets", name, build_miniature(name, root), level)


def check_card(cls: type[Corpus]) -> None:
    """The sections of a corpus file, in their order."""
    module = sys.modules[cls.__module__]
    document = module.__doc__ or ""
    found = [document.index(f"\n{section}: ") for section in SECTIONS]
    assert found == sorted(found)
    tree = ast.parse(inspect.getsource(module))
    targets = [node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)]
    classes = [node.lineno for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__]
    assert targets[:2] == ["CITATION", "LICENCE"]
    assert (
        max(node.lineno for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id.isupper())
        < classes[0]
    )
    for value in (cls.title, cls.size, cls.language, cls.elicitation, cls.citation, cls.licence, cls.task, cls.__doc__):
        assert isinstance(value, str)
        assert value.strip()
    assert set(cls.elicitation.split(", ")) <= {"acted", "elicited", "natural", "written", "any"}
    assert cls.name == module.__name__.rpartition(".")[2]


def check_corpus(corpus: Corpus) -> None:
    """What every corpus promises of what it reads."""
    assert corpus.splits == tuple(split for split in SPLITS if split in corpus.splits)
    assert corpus.splits
    assert corpus.labels
    assert len(set(corpus.labels)) == len(corpus.labels)
    assert set(corpus.modalities) <= {"audio", "image", "text"}
    ids = Counter()
    for split in corpus.splits:
        utterances = corpus.utterances(split)
        assert utterances
        assert list(utterances) == list(corpus.utterances(split))
        ids.update(utterance.id for utterance in utterances)
        for utterance in utterances:
            check_utterance(utterance, corpus)
    assert max(ids.values()) == 1
    assert all(isinstance(line, str) for line in (*corpus.missing(), *corpus.notes()))


def check_utterance(utterance: Utterance, corpus: Corpus) -> None:
    label = utterance.label
    names = () if label is None else (label,) if isinstance(label, str) else tuple(label)
    assert set(names) <= set(corpus.labels)
    if corpus.task == "sequence_labelling":
        assert len(names) == len(utterance.words)
    if corpus.task == "regression" and isinstance(label, Mapping):
        assert set(label) == set(corpus.labels)
        for name, (low, high) in corpus.ranges.items():
            assert low <= label[name] <= high
    for path in (utterance.audio, utterance.image, utterance.video):
        assert path is None or path.is_file()
    assert utterance.text is None or utterance.text == utterance.text.strip() != ""


@pytest.mark.parametrize("name", NAMES)
def test_a_corpus_says_what_it_is(name: str) -> None:
    check_card(registry.find("datasets", name))


@pytest.mark.parametrize(("name", "level"), CASES)
def test_a_corpus_reads_its_layout(name: str, level: str | None, tmp_path: Path) -> None:
    check_corpus(open_miniature(name, tmp_path / "root", level))


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_split_is_an_error_only_when_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}"):
        registry.build("datasets", name, tmp_path).utterances("train")
    cls = registry.find("datasets", name)
    if not issubclass(cls, Manifest):  # a manifest is read when it is opened: without its file there is nothing to open
        corpus = cls(tmp_path)
        assert corpus.splits == ()
        assert corpus.missing()


@pytest.mark.parametrize("name", NAMES)
def test_wrong_root_level_and_split_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        registry.build("datasets", name, tmp_path / "absent")
    with pytest.raises(InputError, match=f"unknown level 'nosuch' in corpus {name}"):
        open_miniature(name, tmp_path / "root", "nosuch")
    with pytest.raises(InputError, match="unknown split 'dev' in corpus"):
        registry.build("datasets", name, tmp_path / "root").utterances("dev")


@pytest.mark.parametrize("name", NAMES)
def test_describe_gives_plain_json(name: str, tmp_path: Path) -> None:
    corpus = open_miniature(name, tmp_path / "root")
    description = describe(corpus)
    assert json.loads(json.dumps(description)) == description
    assert tuple(description["splits"]) == corpus.splits
    assert description["task"] == corpus.task
    for split, summary in description["splits"].items():
        assert summary["utterances"] == len(corpus.utterances(split))
        assert set(summary["labels"]) <= set(corpus.labels)


def test_the_catalogue_lists_every_corpus() -> None:
    entries = catalogue()
    assert json.loads(json.dumps(entries)) == entries
    assert tuple(entry["name"] for entry in entries) == NAMES
    assert {"title", "size", "language", "licence", "citation", "task", "levels"} <= set(entries[0])


DROPPED_IN = '''"""Mine.

Size: 1 sentence.
Origin: here.
Language: English.
Elicitation: written.
Known defects: none.
"""

from multimodal_emotion.batch import Utterance
from multimodal_emotion.datasets._files import OneFilePerSplit

CITATION = "none"

LICENCE = "free"

LABELS = ("good", "bad")


class Mine(OneFilePerSplit):
    """One line."""

    name = "mine"
    title = size = language = "mine"
    elicitation = "written"
    citation = CITATION
    licence = LICENCE
    task = "binary"
    labels = LABELS
    files = {"train": ("train.txt",)}

    def read_file(self, path, split):
        """One utterance."""
        return [Utterance(id="1", text=path.read_text(), label="good")]
'''


def test_one_new_file_is_a_new_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"rooms/mine.py": DROPPED_IN, "root/train.txt": "fine"})
    monkeypatch.setattr(
        multimodal_emotion.datasets, "__path__", [*multimodal_emotion.datasets.__path__, str(tmp_path / "rooms")]
    )
    assert set(registry.names("datasets")) == {*NAMES, "mine"}
    check_card(registry.find("datasets", "mine"))
    corpus = registry.build("datasets", "mine", root=tmp_path / "root")
    check_corpus(corpus)
    assert describe(corpus)["splits"]["train"]["labels"] == {"good": 1, "bad": 0}
    del sys.modules["multimodal_emotion.datasets.mine"]


# One corpus each: what is particular about its release.


def test_sst2_keeps_quotation_marks_and_leaves_test_unlabelled(tmp_path: Path) -> None:
    corpus = open_miniature("sst2", tmp_path)
    assert [(row.text, row.label) for row in corpus.utterances("train")] == [
        ('hides nothing " new', "negative"),
        ("a charming journey .", "positive"),
    ]
    assert [(row.text, row.label) for row in corpus.utterances("test")] == [("uneasy mishmash", None), ("fun", None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sentence\tlabel\nfine\t2\n", "train.tsv, line 2: '2' is no label; a number from 0 to 1"),
        ("sentence\tlabel\nfine\n", "train.tsv, line 2: 1 cells, but there are 2 columns: sentence, label"),
        ("fine\t1\n", "train.tsv, line 1: the header 'sentence<tab>label' is expected, not 'fine"),
        ("", "train.tsv, line 1: the header"),
    ],
)
def test_sst2_names_a_broken_line(content: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, {"train.tsv": content})
    with pytest.raises(InputError, match=message):
        registry.build("datasets", "sst2", tmp_path).utterances("train")


def test_sst_levels_have_their_own_labels_and_task(tmp_path: Path) -> None:
    fine, binary = (open_miniature("sst", tmp_path, level) for level in ("fine", "binary"))
    assert [row.label for row in fine.utterances("test")] == ["very positive", "very negative"]
    assert [row.label for row in binary.utterances("test")] == ["positive", "negative"]
    assert (fine.task, binary.task) == ("multiclass", "binary")


def test_dair_emotion_reads_files_with_and_without_header(tmp_path: Path) -> None:
    corpus = open_miniature("dair_emotion", tmp_path)
    assert [(row.text, row.label) for row in corpus.utterances("train")] == [
        ("i feel fine; really", "joy"),
        ("i feel low", "sadness"),
    ]
    assert [row.label for row in corpus.utterances("validation")] == ["anger"]
    write(tmp_path, {"val.txt": "i feel so\n"})
    with pytest.raises(InputError, match=r"unknown label 'i feel so' in .*val.txt, line 1"):
        corpus.utterances("validation")


@pytest.mark.parametrize(
    ("level", "labels"),
    [
        ("full", [("neutral",), ("approval", "disapproval")]),
        ("ekman", [("neutral",), ("anger", "joy")]),
        ("group", [("neutral",), ("negative", "positive")]),
    ],
)
def test_goemotions_derives_its_levels(level: str, labels: list[tuple[str, ...]], tmp_path: Path) -> None:
    rows = open_miniature("goemotions", tmp_path, level).utterances("train")
    assert [row.label for row in rows] == labels
    assert rows[1].text == "You know,\u2028man!"
    assert rows[1].id == "ed00q6i"


def test_goemotions_reads_a_folder_of_a_level(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "ekman/dev.tsv": "So sad\t5,0\tx\n",
            "ekman/labels.txt": "anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise",
        },
    )
    for root in (tmp_path, tmp_path / "ekman"):
        corpus = registry.build("datasets", "goemotions", root, "ekman")
        assert corpus.splits == ("validation",)
        assert [row.label for row in corpus.utterances("validation")] == [("anger", "sadness")]
    with pytest.raises(InputError, match=r"labels.txt: lists anger, .*; expected are admiration"):
        registry.build("datasets", "goemotions", tmp_path / "ekman", "full").utterances("validation")


def test_goemotions_names_a_broken_line(tmp_path: Path) -> None:
    write(tmp_path, {"train.tsv": "fine\t27\n"})
    with pytest.raises(InputError, match=r"train.tsv, line 1: 2 cells; text, label numbers and id are expected"):
        registry.build("datasets", "goemotions", tmp_path).utterances("train")


def test_meld_restores_quotation_marks_and_keeps_the_order_of_dialogues(tmp_path: Path) -> None:
    corpus = open_miniature("meld", tmp_path)
    first, second, third, _ = corpus.utterances("train")
    assert first.text == 'You must’ve had, "full" hands.'
    assert (first.speaker, first.dialogue, first.turn) == ("The Interviewer", "train-0", 0)
    assert (second.label, third.turn, third.speaker) == ("joy", 3, "Richard’s Date")
    assert first.start is None
    assert first.extra["StartTime"] == "00:16:16,059"
    assert corpus.modalities == ("text",)
    assert registry.build("datasets", "meld", tmp_path, "sentiment").utterances("train")[1].label == "positive"


def test_meld_reads_copies_in_windows_1252_and_below_other_folders(tmp_path: Path) -> None:
    row = f"1,You must\u2019ve,Ross,joy,positive,0,0,{meld_miniature.TIMES}"
    path = tmp_path / "MELD.Raw" / "test_sent_emo.csv"
    path.parent.mkdir()
    path.write_bytes((meld_miniature.HEADER + row).encode("cp1252"))
    assert registry.build("datasets", "meld", tmp_path).utterances("test")[0].text == "You must’ve"


def test_meld_finds_the_clip_of_the_right_split(tmp_path: Path) -> None:
    clips = [
        "raw/train/train_splits/dia0_utt0.mp4",
        "raw/train/train_splits/._dia0_utt1.mp4",
        "raw/dev/dev_splits_complete/dia0_utt1.mp4",
        "raw/test/output_repeated_splits_test/dia0_utt0.mp4",
        "raw/test/output_repeated_splits_test/final_videos_testdia0_utt1.mp4",
        "elsewhere/dia0_utt1.mp4",
    ]
    write(tmp_path, dict.fromkeys(clips, "clip"))
    corpus = open_miniature("meld", tmp_path)
    videos = {row.id: row.video for split in corpus.splits for row in corpus.utterances(split) if row.video}
    assert videos == {
        "train-dia0-utt0": tmp_path / clips[0],
        "validation-dia0-utt1": tmp_path / clips[2],
        "test-dia0-utt0": tmp_path / clips[3],
    }
    assert corpus.modalities == ("audio", "image", "text")
    assert "train: 3 of 4 clips, such as train-dia0-utt1, below train_splits/" in corpus.missing()


def test_meld_names_what_is_wrong(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"dev_sent_emo.csv": meld_miniature.HEADER + f"1,What?,Monica,happy,negative,0,0,{meld_miniature.TIMES}"},
    )
    corpus = registry.build("datasets", "meld", tmp_path)
    with pytest.raises(InputError, match=r"unknown label 'happy' in .*dev_sent_emo.csv, line 2"):
        corpus.utterances("validation")
    write(tmp_path, {"dev_sent_emo.csv": "Utterance,Speaker\nWhat?,Monica\n"})
    with pytest.raises(InputError, match="no column 'Emotion'; the columns are Utterance, Speaker"):
        corpus.utterances("validation")


def test_dailydialog_leaves_the_misaligned_dialogue_out_and_says_so(tmp_path: Path) -> None:
    corpus = open_miniature("dailydialog", tmp_path)
    rows = corpus.utterances("train")
    assert [(row.text, row.label, row.dialogue, row.turn) for row in rows] == [
        ("Say , Jim ?", "no emotion", "train-1", 0),
        ("All right .", "happiness", "train-1", 1),
        ("How much ?", "no emotion", "train-2", 0),
        ("It’s £ 330 .", "surprise", "train-2", 1),
    ]
    assert rows[0].extra == {"act": "directive"}
    assert corpus.notes() == ["train: the dialogue in line 1 is left out: 2 utterances, 1 labels"]
    assert corpus.missing() == []


def test_dailydialog_reads_unpacked_folders(tmp_path: Path) -> None:
    build_miniature("dailydialog", tmp_path / "zips")
    for split in ("train", "test"):
        zipfile.ZipFile(tmp_path / "zips" / f"{split}.zip").extractall(tmp_path / "folders" / "ijcnlp_dailydialog")
    zipped, unpacked = (registry.build("datasets", "dailydialog", tmp_path / name) for name in ("zips", "folders"))
    assert unpacked.splits == ("train", "test")
    assert unpacked.utterances("train") == zipped.utterances("train")
    (tmp_path / "folders/ijcnlp_dailydialog/test/dialogues_emotion_test.txt").unlink()
    with pytest.raises(InputError, match="0 lines of emotions for 2 dialogues; whole files are expected"):
        unpacked.utterances("test")


def test_dailydialog_names_a_broken_zip(tmp_path: Path) -> None:
    write(tmp_path, {"test.zip": "PK and no more"})
    with pytest.raises(InputError, match=r"test.zip: not a zip file, or one cut off \(.*\); fetch it again"):
        registry.build("datasets", "dailydialog", tmp_path).utterances("test")


def test_emobank_reads_its_split_column_and_genres(tmp_path: Path) -> None:
    corpus = open_miniature("emobank", tmp_path)
    assert corpus.splits == SPLITS
    (row,) = corpus.utterances("train")
    assert row.label == {"V": 3.0, "A": 3.0, "D": 3.2}
    assert row.text == 'Remember what she said. "'
    assert row.extra == {"document": "a", "category": "letters"}
    write(tmp_path, {"corpus/emobank.csv": "id,split,V,A,D,text\na,eval,1,1,1,Oh\n"})
    with pytest.raises(InputError, match=r"unknown split 'eval' in .*emobank.csv, line 2"):
        _ = registry.build("datasets", "emobank", tmp_path).splits
    write(tmp_path, {"corpus/emobank.csv": "id,split,V,A,D,text\na,test,high,1,1,Oh\n"})
    with pytest.raises(InputError, match="line 2: V is 'high'; a number is expected"):
        registry.build("datasets", "emobank", tmp_path).utterances("test")


def test_absa_makes_a_run_of_equal_tags_one_span(tmp_path: Path) -> None:
    first, second = open_miniature("absa", tmp_path).utterances("train")
    assert first.label == ("B-POS", "I-POS", "O", "O", "O", "B-NEG", "O")
    assert second.words == ("Not", "working", "=", "bad")
    write(tmp_path, {"laptop14/dev.txt": "a b c####a=T-POS b=T-NEG c=T-NEG\n"})
    assert registry.build("datasets", "absa", tmp_path).utterances("validation")[0].label == ("B-POS", "B-NEG", "I-NEG")


def test_absa_takes_the_folder_of_a_level_as_root(tmp_path: Path) -> None:
    build_miniature("absa", tmp_path)
    corpus = registry.build("datasets", "absa", tmp_path / "rest15")
    assert (corpus.level, corpus.splits) == ("rest15", SPLITS)
    with pytest.raises(InputError, match="is the folder of rest15, not of laptop14"):
        registry.build("datasets", "absa", tmp_path / "rest15", "laptop14")


@pytest.mark.parametrize(("line", "named"), [("a b####a=O b=B-POS", "'B-POS'"), ("a b", "'a b'")])
def test_absa_names_a_broken_line(line: str, named: str, tmp_path: Path) -> None:
    write(tmp_path, {"train.txt": line})
    with pytest.raises(InputError, match=f"train.txt, line 1: {named}; sentence####word=TAG is expected"):
        registry.build("datasets", "absa", tmp_path).utterances("train")


def test_smp2020_joins_the_folds_of_a_level(tmp_path: Path) -> None:
    corpus = open_miniature("smp2020", tmp_path, "usual")
    rows = corpus.utterances("train")
    assert [(row.text, row.label) for row in rows[:3]] == [('好，"开心"', "happy"), (None, "sad"), ("疫情", "neutral")]
    assert len(rows) == 15
    assert [row.label for row in corpus.utterances("test")] == ["angry", "neutral"]
    write(tmp_path, {"usual_train.txt": '[{"id": 7, "content": "好", "label": "happy"}]'})
    assert [row.id for row in corpus.utterances("train")] == ["train-7"]


def test_smp2020_names_what_is_wrong(tmp_path: Path) -> None:
    corpus = open_miniature("smp2020", tmp_path)
    (tmp_path / "usual_train_folds" / "dev3.csv").unlink()
    with pytest.raises(InputError, match=r"no dev3.csv; the training split is dev0.csv to dev4.csv"):
        corpus.utterances("train")
    write(tmp_path, {"usual_test_labeled.txt": '[{"id": 1}]'})
    with pytest.raises(InputError, match="not a JSON list of objects with id, content and label"):
        corpus.utterances("test")
    write(tmp_path, {"usual_test_labeled.txt": '[{"id": 1, "content": "好", "label": "glad"}]'})
    with pytest.raises(InputError, match=r"unknown label 'glad' in .*, entry 1"):
        corpus.utterances("test")


def test_cremad_votes_keeps_the_three_kinds_of_votes_apart(tmp_path: Path) -> None:
    corpus = open_miniature("cremad_votes", tmp_path)
    first, second = corpus.utterances("train")
    assert (first.id, first.speaker, first.text) == ("1001_DFA_ANG_XX", "1001", "Don't forget a jacket.")
    assert first.label == {"anger": 3, "disgust": 0, "fear": 0, "happiness": 1, "neutral": 1, "sadness": 0}
    assert first.features["voice"] == pytest.approx((1 / 3, 0, 0, 1 / 3, 1 / 3, 0))
    assert second.features["face"] == pytest.approx((2 / 5, 0, 0, 1 / 5, 2 / 5, 0))
    assert first.extra["intended"] == "anger"
    assert first.extra["gender"] == "male"
    others = [row for split in ("validation", "test") for row in corpus.utterances(split)]
    assert [set(row.features) for row in others if row.speaker == "1008"] == [{"voice"}]
    head = "file,split," + ",".join(f"{kind}_{letter}" for kind in ("voice", "face", "av") for letter in "ADFHNS")
    write(tmp_path, {"manifest.csv": f"{head}\n1001_DFA_ANG_XX,val,{','.join('100000010000000003')}\n"})
    (row,) = registry.build("datasets", "cremad_votes", tmp_path).utterances("validation")
    assert (row.label["sadness"], row.features["face"]) == (3, (0, 1, 0, 0, 0, 0))
    write(tmp_path, {"manifest.csv": f"{head}\n1001_XXX_ANG_XX,val,{','.join('1' * 18)}\n"})
    with pytest.raises(InputError, match="line 2: '1001_XXX_ANG_XX' is no clip of CREMA-D"):
        registry.build("datasets", "cremad_votes", tmp_path)


def test_context_follows_turns_and_names_speakers() -> None:
    rows = [
        Utterance("b", text="Two", speaker="Ann", dialogue="d", turn=2),
        Utterance("x", text="Other", dialogue="e", turn=0),
        Utterance("a", text="One", speaker="Bob", dialogue="d", turn=0),
        Utterance("c", text="Three", dialogue="d", turn=5),
        Utterance("lone", text="Alone"),
    ]
    found = {row.id: row.context for row in with_context(rows, 2)}
    assert found == {"a": (), "b": ("Bob: One",), "c": ("Bob: One", "Ann: Two"), "x": (), "lone": ()}
    assert [row.id for row in with_context(rows, 1)] == ["b", "x", "a", "c", "lone"]
    assert with_context(rows, 1)[3].context == ("Ann: Two",)
    assert with_context(rows, 2, speaker_names=False)[3].context == ("One", "Two")
    assert with_context(rows, 0) == rows
    with pytest.raises(InputError, match="context must be 0 or more utterances, not -1"):
        with_context(rows, -1)


def test_context_skips_what_has_no_text_and_follows_the_file_without_turns() -> None:
    rows = [Utterance(name, text=text, dialogue="d") for name, text in (("a", "One"), ("b", None), ("c", "Three"))]
    assert [row.context for row in with_context(rows, 1)] == [(), ("One",), ("One",)]


def test_votes_count_as_shares() -> None:
    rows = [Utterance("a", label={"joy": 3.0, "fear": 1.0}), Utterance("b", label="joy"), Utterance("c")]
    assert label_counts(rows, ("joy", "fear"), "multiclass") == {"joy": 1.75, "fear": 0.25}


# The real corpora: the published counts, where the development copy has the split.

PUBLISHED = {
    ("sst2", "sst2_glue", None): {"train": 67349, "validation": 872, "test": 1821},
    ("sst", "sst_sentence", "fine"): {"train": 8544, "validation": 1101, "test": 2210},
    ("sst", "sst_sentence", "binary"): {"train": 6920, "validation": 872, "test": 1821},
    ("dair_emotion", "dair_emotion", None): {"train": 16000, "validation": 2000, "test": 2000},
    ("goemotions", "goemotions", "full"): {"train": 43410, "validation": 5426, "test": 5427},
    ("meld", "meld", "emotion"): {"train": 9989, "validation": 1109, "test": 2610},
    # 87,170 labels are published for training: 11 of them belong to the misaligned dialogue.
    ("dailydialog", "dailydialog", None): {"train": 87170 - 11, "validation": 8069, "test": 7740},
    ("emobank", "emobank", None): {"train": 8062, "validation": 1000, "test": 1000},
    ("absa", "absa_bio", "laptop14"): {"train": 2741, "validation": 304, "test": 800},
    ("smp2020", "smp2020_ewect", "usual"): {"train": 27768, "validation": 2000, "test": 5000},
    ("smp2020", "smp2020_ewect", "virus"): {"train": 8606, "validation": 2000, "test": 3000},
}


@pytest.mark.corpora
@pytest.mark.parametrize(("name", "folder", "level"), PUBLISHED)
def test_real_corpora_have_the_published_counts(name: str, folder: str, level: str | None, corpora_root: Path) -> None:
    if not (corpora_root / folder).is_dir():
        pytest.skip(f"{folder} is not among the development corpora")
    corpus = registry.build("datasets", name, corpora_root / folder, level)
    published = PUBLISHED[name, folder, level]
    assert "train" in corpus.splits
    for split in corpus.splits:
        utterances = corpus.utterances(split)
        assert len(utterances) == published[split]
        assert len({row.id for row in utterances}) == len(utterances)
        for row in utterances[:200]:
            check_utterance(row, corpus)


@pytest.mark.corpora
@pytest.mark.parametrize("level", ["ekman", "group"])
def test_real_goemotions_levels_are_those_of_the_published_folders(
    level: str, corpora_root: Path, tmp_path: Path
) -> None:
    folder = corpora_root / "goemotions"
    for name in ("dev.tsv", "labels.txt"):
        write(tmp_path, {f"{level}/{name}": (folder / level / name).read_text("utf-8")})
    derived = registry.build("datasets", "goemotions", folder, level)
    published = registry.build("datasets", "goemotions", tmp_path, level)
    assert derived.utterances("validation") == published.utterances("validation")


@pytest.mark.corpora
def test_real_votes_of_cremad_agree_as_published(corpora_root: Path) -> None:
    """How often the plurality of votes is the intended emotion: .455 of the voices, .690 of the faces, .748 of both."""
    corpus = registry.build("datasets", "cremad_votes", corpora_root / "cremad_votes")
    rows = [row for split in corpus.splits for row in corpus.utterances(split)]
    counts = {"train": 5240, "validation": 738, "test": 1464}
    assert {split: len(corpus.utterances(split)) for split in corpus.splits} == {s: counts[s] for s in corpus.splits}
    intended = [corpus.labels.index(row.extra["intended"]) for row in rows]
    for kind, published in (("voice", 0.455), ("face", 0.690), ("both", 0.748)):
        votes = [tuple(row.label.values()) if kind == "both" else row.features.get(kind, (0,)) for row in rows]
        assert all(label is not None for label in votes)
        best = [each.index(max(each)) for each in votes]
        assert sum(map(int.__eq__, best, intended)) / len(rows) == pytest.approx(published, abs=0.02)


@pytest.mark.corpora
def test_real_dailydialog_names_the_misaligned_dialogue(corpora_root: Path) -> None:
    corpus = registry.build("datasets", "dailydialog", corpora_root / "dailydialog")
    assert corpus.notes()[0] == "train: the dialogue in line 7852 is left out: 12 utterances, 11 labels"


def test_a_union_has_the_utterances_of_its_parts_in_one_label_set(tmp_path: Path) -> None:
    corpus = open_miniature("union", tmp_path)
    assert list(corpus.parts) == ["dair_emotion", "ravdess"]
    assert corpus.labels == SEVEN
    rows = corpus.utterances("train")
    assert {row.extra["corpus"] for row in rows} == {"dair_emotion", "ravdess"}
    assert {row.label for row in rows} <= set(SEVEN)
    assert {row.speaker for row in rows if row.audio} == {"ravdess/01"}


def test_parts_of_a_union_are_weighed_and_blinded(tmp_path: Path) -> None:
    registry_root = tmp_path / "root"
    build_miniature("union", registry_root)
    parts = {
        "texts": {"corpus": "dair_emotion", "root": "dair_emotion", "weight": 2.5},
        "voices": {"corpus": "ravdess", "root": "ravdess", "modalities": ["audio"]},
    }
    corpus = registry.build("datasets", "union", root=registry_root, parts=parts)
    plain = registry.build("datasets", "union", root=registry_root)
    count = {name: sum(row.id.startswith(name) for row in corpus.utterances("train")) for name in parts}
    once = sum(row.id.startswith("dair_emotion") for row in plain.utterances("train"))
    assert count["texts"] == 2 * once + math.ceil(once / 2)
    assert len({row.id for row in corpus.utterances("train")}) == sum(count.values())
    assert len(corpus.utterances("validation")) == len(plain.utterances("validation"))
    voices = [row for row in corpus.utterances("train") if row.id.startswith("voices")]
    assert all(row.text is None and row.video is None and row.audio is not None for row in voices)


@pytest.mark.parametrize(
    ("label", "to", "expected"),
    [
        ("calm", "seven", "neutral"),
        ("boredom", "seven", None),
        (("joy", "love", "anger"), "seven", {"joy": 2.0, "anger": 1.0}),
        ({"happiness": 3.0, "contempt": 4.0}, "seven", "joy"),
        ({"sadness": 3.0, "anger": 0.0, "joy": 1.0}, "polarity", {"negative": 3.0, "positive": 1.0}),
        (None, "seven", None),
    ],
)
def test_labels_of_a_union(label: Any, to: str, expected: Any) -> None:
    assert mapped(label, to) == expected


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "no train split in .* no folder in .* has the name of a corpus"),
        (
            {"dair_emotion": {"weigth": 2}},
            "unknown setting 'weigth' in part dair_emotion of corpus union; did you mean 'weight'",
        ),
        ({"dair_emotion": {"weight": 0}}, "the weight of part dair_emotion is 0; it must be more than 0"),
        ({"dair_emotion": {"modalities": ["audio"]}}, "unknown modality 'audio' in part dair_emotion"),
        ({"dair": {}}, "unknown"),
        ({"ravdess": {"modalities": ["image"]}}, "is a video with sound; take both"),
    ],
)
def test_what_is_wrong_with_a_union_is_named(parts: Any, message: str, tmp_path: Path) -> None:
    build_miniature("union", tmp_path)
    with pytest.raises(InputError, match=message):
        registry.build("datasets", "union", root=tmp_path, parts=parts).utterances("train")

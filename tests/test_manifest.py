"""The manifest: every kind of table, every kind of label, drawn splits, and each message for a broken one."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas
import pytest
from miniatures._write import write

from multimodal_emotion import registry
from multimodal_emotion.datasets._splits import assign
from multimodal_emotion.errors import InputError


def manifest(folder: Path, content: str, name: str = "data.csv", **settings: Any) -> Any:
    write(folder, {name: content})
    return registry.build("datasets", "manifest", root=folder / name, **settings)


def rows_of(*cells: str) -> str:
    """A table of texts "t1", "t2", ... and these labels, all of them training rows."""
    return "text,label,split\n" + "".join(f"t{number},{cell},train\n" for number, cell in enumerate(cells, start=1))


# Reading.


def test_all_columns(tmp_path: Path) -> None:
    files = dict.fromkeys(("a/one.wav", "a/two.mp4", "a/face.png", "a/face.npy"), "media")
    write(tmp_path, files)
    header = "id,text,label,split,speaker,dialogue,turn,audio,image,video,start,end,features.face,features.pitch,age\n"
    row = 'x,"So, ""that""!",joy,val,ann,d1,3,one.wav,face.png,two.mp4,0.5,2,face.npy,1 2.5,31\n'
    (found,) = manifest(tmp_path / "a", header + row).utterances("validation")
    assert (found.id, found.text, found.label) == ("x", 'So, "that"!', "joy")
    assert (found.speaker, found.dialogue, found.turn, found.start, found.end) == ("ann", "d1", 3, 0.5, 2.0)
    assert (found.audio, found.image) == (tmp_path / "a/one.wav", tmp_path / "a/face.png")
    assert found.video == tmp_path / "a/two.mp4"
    assert found.features == {"face": tmp_path / "a/face.npy", "pitch": (1.0, 2.5)}
    assert found.extra == {"age": "31"}


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_table_gives_the_same_utterances(kind: str, tmp_path: Path) -> None:
    table = pandas.DataFrame(
        {
            "text": ['He said "no"', "A, b\u2028c", '"All" of it'],
            "label": ["joy", "fear", "joy"],
            "split": ["train", "train", "test"],
            "turn": [0, 1, 2],
        }
    )
    path = tmp_path / f"data.{kind}"
    writers = {
        "csv": lambda: table.to_csv(path, index=False),
        "tsv": lambda: table.to_csv(path, index=False, sep="\t"),
        "jsonl": lambda: table.to_json(path, orient="records", lines=True, force_ascii=False),
        "parquet": lambda: table.to_parquet(path),
    }
    writers[kind]()
    corpus = registry.build("datasets", "manifest", root=path)
    assert [row.text for row in corpus.rows] == list(table["text"])
    assert [row.turn for row in corpus.rows] == [0, 1, 2]
    assert corpus.labels == ("fear", "joy")
    assert corpus.splits == ("train", "test")
    assert corpus.missing() == [f"validation: no rows in data.{kind}"]


def test_tsv_keeps_lone_quotation_marks(tmp_path: Path) -> None:
    corpus = manifest(
        tmp_path, 'text\tlabel\tsplit\n"Yes" she said\ta\ttrain\n"quoted ""one"""\tb\ttrain\n', "data.tsv"
    )
    assert [row.text for row in corpus.rows] == ['"Yes" she said', 'quoted "one"']


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, "\ufefftext,label,split\r\nfine,joy,train\r\n\r\nlow,sad,train\r\n")
    assert [(row.id, row.text) for row in corpus.rows] == [("line-2", "fine"), ("line-4", "low")]


def test_a_folder_holds_its_manifest(tmp_path: Path) -> None:
    write(tmp_path, {"manifest.jsonl": '{"text": "a", "label": "x", "split": "test"}\n'})
    assert registry.build("datasets", "manifest", root=tmp_path).utterances("test")[0].text == "a"


def test_columns_are_mapped(tmp_path: Path) -> None:
    content = "Tweet,Affect,who,text,AU1,AU2\nHi,joy,ann,ignored,0.5,1\nNo,sad,bob,ignored,0,\n"
    columns = {"text": "Tweet", "label": "Affect", "speaker": "who", "features.face": "AU1, AU2"}
    with pytest.raises(InputError, match=r"line 3: features.face holds '' among numbers; only numbers, or a file"):
        manifest(tmp_path, content, columns=columns, split="train")
    corpus = manifest(tmp_path, content.replace("0,\n", "0,2\n"), columns=columns, split="train")
    assert [(row.text, row.label, row.speaker) for row in corpus.rows] == [("Hi", "joy", "ann"), ("No", "sad", "bob")]
    assert corpus.rows[0].features == {"face": (0.5, 1.0)}
    assert corpus.rows[0].extra == {"text": "ignored"}


def test_a_column_whose_role_is_mapped_elsewhere_is_extra(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, "text,label,clean\nHi!,a,hi\n", columns={"text": "clean"}, split="test")
    assert (corpus.rows[0].text, corpus.rows[0].extra) == ("hi", {"text": "Hi!"})


def test_empty_cells_are_absent(tmp_path: Path) -> None:
    write(tmp_path, {"a.wav": "sound"})
    content = "text,label,split,speaker,turn,audio,start,features.face\n,joy,train,,,a.wav,,\nHi,sad,train,ann,1,,,\n"
    sound, words = manifest(tmp_path, content).rows
    assert (sound.text, sound.speaker, sound.turn, sound.start, sound.features) == (None, None, None, None, {})
    assert words.audio is None


def test_modalities_follow_the_columns(tmp_path: Path) -> None:
    write(tmp_path, {"a.mp4": "clip"})
    assert manifest(tmp_path, rows_of("a", "b")).modalities == ("text",)
    assert manifest(tmp_path, "video,label\na.mp4,x\n", split="test").modalities == ("audio", "image")


# Labels.


@pytest.mark.parametrize(
    ("cells", "task", "labels", "first"),
    [
        (("pos", "neg", "pos"), "binary", ("neg", "pos"), "pos"),
        (("joy", "anger", "fear"), "multiclass", ("anger", "fear", "joy"), "joy"),
        (("joy|love", "joy", ""), "multilabel", ("joy", "love"), ("joy", "love")),
        (("1.5", "2", "-3"), "regression", ("label",), {"label": 1.5}),
        (("1", "0", "1"), "binary", ("0", "1"), "1"),
        (("0.0", "0.5", "0.5"), "regression", ("label",), {"label": 0.0}),
    ],
)
def test_the_task_follows_from_the_labels(
    cells: tuple[str, ...], task: str, labels: tuple[str, ...], first: Any, tmp_path: Path
) -> None:
    corpus = manifest(tmp_path, rows_of(*cells))
    assert (corpus.task, corpus.labels, corpus.rows[0].label) == (task, labels, first)


def test_the_task_can_be_said(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, rows_of("10", "2", "1"), task="multiclass")
    assert (corpus.task, corpus.labels, corpus.rows[0].label) == ("multiclass", ("1", "2", "10"), "10")
    assert manifest(tmp_path, rows_of("a|b", "c", "d"), task="multiclass").labels == ("a|b", "c", "d")


@pytest.mark.parametrize(
    ("task", "first", "second"),
    [
        (None, {"V": 3.0, "A": 1.0, "D": 0.0}, {"V": 0.0, "A": 2.0, "D": 2.0}),
        ("multiclass", {"V": 3.0, "A": 1.0, "D": 0.0}, {"V": 0.0, "A": 2.0, "D": 2.0}),
        ("multilabel", ("V", "A"), ("A", "D")),
    ],
)
def test_several_numeric_columns(task: str | None, first: Any, second: Any, tmp_path: Path) -> None:
    content = "text,V,A,D\none,3,1,0\ntwo,0,2,2\n"
    corpus = manifest(tmp_path, content, columns={"label": "V,A,D"}, task=task, split="train")
    assert (corpus.task, corpus.labels) == (task or "regression", ("V", "A", "D"))
    assert [row.label for row in corpus.rows] == [first, second]


@pytest.mark.parametrize(
    "content",
    [
        "words,tags,split\nBoot time rocks,B-POS I-POS O,train\n",
        "text,tags,split\nBoot time rocks,B-POS I-POS O,train\n",
        "words,label,split\nBoot time rocks,B-POS I-POS O,train\n",
    ],
)
def test_tags_stand_beside_words(content: str, tmp_path: Path) -> None:
    corpus = manifest(tmp_path, content)
    (row,) = corpus.utterances("train")
    assert (row.text, row.words) == ("Boot time rocks", ("Boot", "time", "rocks"))
    assert row.label == ("B-POS", "I-POS", "O")
    assert (corpus.task, corpus.labels) == ("sequence_labelling", ("B-POS", "I-POS", "O"))


def test_json_holds_lists_mappings_and_numbers(tmp_path: Path) -> None:
    def one(entry: dict[str, Any], **settings: Any) -> Any:
        return manifest(tmp_path, json.dumps({"text": "a b", **entry}), "data.jsonl", split="train", **settings)

    assert one({"label": ["joy", "love"]}).rows[0].label == ("joy", "love")
    assert one({"label": []}, labels=["joy"]).rows[0].label == ()
    assert one({"label": {"V": 1, "A": 2.5}}).rows[0].label == {"V": 1.0, "A": 2.5}
    assert one({"label": {"joy": 3, "fear": 0}}, task="multiclass").labels == ("fear", "joy")
    assert one({"label": True}).rows[0].label == "true"
    assert one({"label": 2}).rows[0].label == {"label": 2.0}
    assert one({"words": ["a", "b"], "tags": ["O", "X"]}).rows[0].label == ("O", "X")
    assert one({"label": "x", "features.face": [1, 2]}).rows[0].features == {"face": (1.0, 2.0)}
    assert one({"label": "x", "age": None}).rows[0].extra == {"age": ""}


def test_labels_can_be_given_in_their_order(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, rows_of("sad", "joy"), labels=["sad", "joy", "fear"])
    assert corpus.labels == ("sad", "joy", "fear")
    with pytest.raises(InputError, match=r"unknown label 'jy' in .*data.csv, line 2 \(train\); did you mean 'joy'"):
        manifest(tmp_path, rows_of("jy"), labels=["joy", "sad"])


def test_without_labels(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, "text\nhello\n", labelled=False)
    assert corpus.splits == ("test",)
    assert corpus.rows[0].label is None
    assert manifest(tmp_path, "text,label,split\nhello,,train\n", labelled=False).splits == ("train",)
    assert manifest(tmp_path, "text,label,split\na,x,train\nb,,test\n").utterances("test")[0].label is None


# Splits.


def speakers(count: int, rows: int) -> str:
    lines = [f"t{n},l{n % 2},s{n % count},d{n % 7}" for n in range(rows)]
    return "text,label,speaker,dialogue\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("split_by", ["speaker", "dialogue"])
def test_drawn_splits_keep_a_group_together(split_by: str, tmp_path: Path) -> None:
    corpus = manifest(tmp_path, speakers(20, 200), split_by=split_by)
    assert corpus.splits == ("train", "validation", "test")
    groups = [{getattr(row, split_by) for row in corpus.utterances(split)} for split in corpus.splits]
    assert len(set.union(*groups)) == sum(len(group) for group in groups)


def test_drawn_splits_are_80_10_10_and_repeat(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, speakers(5, 200))
    assert Counter(corpus.assignment.values()) == {"train": 160, "validation": 20, "test": 20}
    assert manifest(tmp_path, speakers(5, 200)).assignment == corpus.assignment
    assert manifest(tmp_path, speakers(5, 200), seed=1).assignment != corpus.assignment


def test_the_order_of_rows_does_not_change_the_draw() -> None:
    groups = [f"g{number}" for number in range(30)]
    forward = dict(zip(groups, assign(groups, 3), strict=True))
    assert dict(zip(groups[::-1], assign(groups[::-1], 3), strict=True)) == forward
    # Nothing but seed and name decides: these are the same on every machine.
    assert [name for name, split in forward.items() if split == "test"] == ["g10", "g23", "g24"]


def test_groups_larger_than_a_tenth_still_fill_three_splits() -> None:
    splits = assign(["a"] * 60 + ["b"] * 20 + ["c"] * 30, 0)
    assert Counter(splits) == {"train": 60, "validation": 30, "test": 20}


@pytest.mark.parametrize("stored", [False, True])
def test_an_assignment_is_given_back(stored: bool, tmp_path: Path) -> None:
    first = manifest(tmp_path, speakers(5, 20), split_by="speaker", seed=4)
    given: Any = first.assignment
    if stored:
        given = tmp_path / "splits.json"
        given.write_text(json.dumps(first.assignment))
    again = registry.build("datasets", "manifest", root=tmp_path / "data.csv", assignment=given)
    assert again.assignment == first.assignment
    assert again.utterances("test") == first.utterances("test")


def test_a_label_that_is_rare_does_not_stop_a_draw(tmp_path: Path) -> None:
    rows = "".join(f"t{number},l{number}\n" for number in range(30))
    assert len(manifest(tmp_path, "text,label\n" + rows).labels) == 30


# Messages.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Tweet,label\na,b\n", r"data.csv: no column 'text', .* the columns are Tweet, label. Say which .* text=NAME"),
        ("text,mood\na,b\n", r"data.csv: no column 'label'; the columns are text, mood. Say which .* label=NAME"),
        ("text,label,split\na,x,train\nb,y,test\n", r"unknown label 'y' in .*data.csv, line 3 \(test\); known: x"),
        ("text,label,split\na,joy,train\nb,joi,test\n", r"'joi' in .*data.csv, line 3 \(test\); did you mean 'joy'"),
        ("text,label,split\na,x,train\n ,x,train\n", r"data.csv, line 3: empty text; a row needs a text, a media file"),
        ("text,label,split\na,x,train\nb,,train\n", r"data.csv, line 3: empty label; only validation and test rows"),
        ("text,label,split\na,x\n", r"data.csv, line 2: 2 cells, but there are 3 columns: text, label, split"),
        ('text,label\n"a\nb"",x\n', r"data.csv, line 2: broken row \(.*\); a cell with a comma"),
        ('text,label\n"a"b,x\n', r"data.csv, line 2: broken row"),
        ("", r"data.csv: the file is empty; the names of its columns are expected in line 1"),
        ("text,label\n", r"data.csv: no rows; at least one is expected"),
        ("text,text\na,b\n", r"data.csv, line 1: column 'text' stands there twice; columns need different names"),
        ("text,label,split\na,x,training\n", r"unknown split 'training' in .*data.csv, line 2; did you mean 'train'"),
        ("id,text,label\nq,a,x\nq,b,x\n", r"data.csv, line 3: id 'q' stands in line 2 already; ids are unique"),
        ("text,label,turn\na,x,first\n", r"data.csv, line 2: turn is 'first'; a whole number is expected"),
        ("text,label,turn\na,x,1.5\n", r"data.csv, line 2: turn is '1.5'; a whole number is expected"),
        ("text,label,start\na,x,soon\n", r"data.csv, line 2: start is 'soon'; a number is expected"),
        ("text,label,start\na,x,nan\n", r"data.csv, line 2: start is 'nan'; a number is expected"),
        ("text,label,start,end\na,x,2,1\n", r"line 2: interval 2.0 to 1.0; seconds with 0 <= start < end are expected"),
        ("text,label,start\na,x,-1\n", r"data.csv, line 2: interval -1.0 to None; seconds with"),
        ("text,label,audio\na,x,gone.wav\n", r"line 2: audio file 'gone.wav' is not there; relative paths start at "),
        ("text,label,features.a\na,x,gone.npy\n", r"line 2: features.a file 'gone.npy' is not there"),
        ("words,tags\na b,O\n", r"data.csv, line 2: 2 words, but 1 tags; each word has one tag"),
        ("text,label\na,x\nb,y\n", r"data.csv: 2 row\(s\) cannot fill 3 splits"),
    ],
)
def test_what_is_wrong_is_named(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        manifest(tmp_path, content)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"text": "Twet"}}, r"data.csv: no column 'Twet'; the columns are text, label, speaker"),
        ({"columns": {"txt": "text"}}, r"unknown column role 'txt' in columns; did you mean 'text'"),
        ({"columns": {"speaker": "text,label"}}, r"speaker takes one column, not 'text,label'; label and features"),
        (
            {"columns": {"label": "speaker,label"}},
            r"data.csv, line 2: speaker is 'ann'; a number is expected, .* is regression",
        ),
        ({"task": "regression"}, r"data.csv, line 2: label is 'x'; a number is expected, since the task is regression"),
        ({"split_by": "speakers"}, r"unknown grouping 'speakers' in split_by; did you mean 'speaker'"),
        ({"split_by": "speaker"}, r"data.csv: 2 speaker\(s\) cannot fill 3 splits"),
        ({"split_by": "dialogue"}, r"data.csv, line 2: no dialogue; split_by='dialogue' needs one in each row"),
        ({"split": "tset"}, r"unknown split 'tset' in settings; did you mean 'test'"),
        ({"assignment": {"line-2": "train"}}, r"assignment: the split of 'line-3' is None; one of train, validation"),
        ({"assignment": "gone.json"}, r"gone.json is not there; a JSON file of id and split is expected"),
        ({"colums": {}}, r"unknown setting 'colums' in datasets/manifest; did you mean 'columns'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    content = "text,label,speaker\na,x,ann\nb,y,bob\nc,y,bob\n"
    with pytest.raises(InputError, match=message):
        manifest(tmp_path, content, **settings)


@pytest.mark.parametrize("settings", [{"split_by": "none"}, {"split": "test"}])
def test_a_split_column_and_another_split_contradict(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data.csv: has a column 'split'; split.*is for one without"):
        manifest(tmp_path, rows_of("a", "b"), **settings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a", "label": "x"}\n{"text": ', r"data.jsonl, line 2: not JSON \(.*\); one JSON object is expected"),
        ("[1, 2]\n", r"data.jsonl, line 1: \[1, 2\] is no object;"),
        ('{"text": "a", "label": {"V": 1, "A": 2}}\n{"text": "b", "label": {"V": 1}}\n', r"line 2: no value for 'A'"),
        ("", r"data.jsonl: no rows"),
    ],
)
def test_broken_json_lines_are_named(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        manifest(tmp_path, content, "data.jsonl", split="train")


@pytest.mark.parametrize(("votes", "problem"), [("0,0", "votes"), ("2,-1", "votes")])
def test_impossible_votes_are_named(votes: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"data.csv, line 2: {problem} .*; none may be negative, and at least one"):
        manifest(tmp_path, f"text,a,b\nhi,{votes}\n", columns={"label": "a,b"}, task="multiclass")


def test_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes("text,label\nfine,x\ncafé,x\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"data.csv, line 3: byte 0xe9 is not UTF-8; save the file as UTF-8"):
        registry.build("datasets", "manifest", root=tmp_path / "data.csv")


def test_files_that_are_no_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data.xlsx: cannot read a .xlsx table; .csv, .tsv, .jsonl, .parquet can"):
        manifest(tmp_path, "x", "data.xlsx")
    with pytest.raises(InputError, match=r"data.parquet: not a Parquet file, or one cut off"):
        manifest(tmp_path, "no", "data.parquet")
    with pytest.raises(InputError, match=r"corpus manifest: .*absent.csv does not exist"):
        registry.build("datasets", "manifest", root=tmp_path / "absent.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no manifest.csv there; --root names the manifest, or a folder with"):
        registry.build("datasets", "manifest", root=tmp_path / "empty")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"splits.json: not JSON"),
        ("[]", r"splits.json: a JSON object of id and split is expected"),
        (
            '{"line-2": "train", "line-9": "test"}',
            r"splits.json: 'line-9' is not in .*data.csv; the splits are those of",
        ),
        (
            '{"line-2": "dev"}',
            r"splits.json: the split of 'line-2' is 'dev'; one of train, validation, test is expected",
        ),
    ],
)
def test_a_broken_assignment_is_named(content: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, {"splits.json": content})
    with pytest.raises(InputError, match=message):
        manifest(tmp_path, "text,label\na,x\n", assignment=tmp_path / "splits.json")

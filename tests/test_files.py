from pathlib import Path

import pytest

from multimodal_emotion import files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: Path) -> None:
    path.write_text("half")
    raise OSError("disk full")


def test_text_and_bytes_replace_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "report.json"
    files.write_text(place, "old\n")
    files.write_text(place, "Größe 喜\r\n")
    assert place.read_bytes() == "Größe 喜\r\n".encode()
    files.write_bytes(place, b"\x00\xff")
    assert place.read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["report.json"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "report.json"
    files.write_text(place, "old")
    with pytest.raises(OSError, match="disk full"), files.atomic_path(place) as beside:
        write_half(beside)
    assert place.read_text() == "old"
    assert names(tmp_path) == ["report.json"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    place = tmp_path / "runs" / "model"
    for name in ("first", "second"):
        with files.replacing_folder(place) as beside:
            (beside / name).write_text(name)
            assert not (place / name).exists()
    assert names(place) == ["second"]
    assert names(place.parent) == ["model"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "model"
    with files.replacing_folder(place) as beside:
        (beside / "weights").write_text("old")
    with pytest.raises(OSError, match="disk full"), files.replacing_folder(place) as beside:
        write_half(beside / "weights")
    assert (place / "weights").read_text() == "old"

    replace, calls = files.os.replace, []

    def fail_on_second(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError("no rename")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", fail_on_second)
    with pytest.raises(OSError, match="no rename"), files.replacing_folder(place) as beside:
        (beside / "weights").write_text("new")
    assert (place / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]

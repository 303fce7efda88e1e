"""Transcripts as people have them: SubRip and WebVTT, with their markup, their mistakes, and without."""

from pathlib import Path

import pytest

from multimodal_emotion.errors import InputError
from multimodal_emotion.transcripts import Cue, is_transcript, read_transcript, text_between, write_srt

SRT = """\ufeff1\r
00:00:01,000 --> 00:00:02,500\r
<i>I did not</i>\r
expect {\\an8}that\r
\r
2\r
01:00:03,5 --> 01:00:04.25 X1:10 X2:20\r
Tea &amp; cake\r
"""

VTT = """WEBVTT - a talk
Kind: captions

STYLE
::cue { color: red }

NOTE nothing is said here

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ada>Hello <00:00:01.500><c.loud>there</c>

00:00:05.000 --> 00:00:06.000

01:00:07.000 --> 01:00:08.000
Bye
"""


def written(folder: Path, text: str, name: str = "talk.srt") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


def test_subrip_with_markup_and_windows_line_ends(tmp_path):
    assert read_transcript(written(tmp_path, SRT)) == (
        Cue(1.0, 2.5, "I did not\nexpect that"),
        Cue(3603.5, 3604.25, "Tea & cake"),
    )


def test_webvtt_with_header_notes_voices_and_settings(tmp_path):
    found = read_transcript(written(tmp_path, VTT, "talk.vtt"))
    assert found == (Cue(1.0, 2.5, "Hello there"), Cue(3607.0, 3608.0, "Bye"))


def test_cues_without_empty_lines_between_them_and_out_of_order(tmp_path):
    text = "1\n00:00:09,000 --> 00:00:10,000\nlast\n2\n00:00:01,000 --> 00:00:02,000\nfirst 3\n"
    assert [cue.text for cue in read_transcript(written(tmp_path, text))] == ["first 3", "last"]


def test_what_is_written_is_read_back(tmp_path):
    cues = (Cue(0.0, 59.9996, "one\ntwo"), Cue(3599.5, 7261.25, "schön 好 --> x"), Cue(8000.0, 8001.0, "a\n\nb"))
    write_srt(tmp_path / "out.srt", cues)
    text = (tmp_path / "out.srt").read_text(encoding="utf-8")
    assert text.startswith("1\n00:00:00,000 --> 00:01:00,000\none\ntwo\n\n2\n00:59:59,500 --> 02:01:01,250\n")
    assert [cue.text for cue in read_transcript(tmp_path / "out.srt")] == ["one\ntwo", "schön 好 -> x", "a\nb"]


def test_text_follows_the_time_it_shares():
    cues = (Cue(0.0, 2.0, "I am\nhappy"), Cue(2.0, 3.0, "so"), Cue(3.0, 9.0, "a long story"))
    assert text_between(cues, 0.0, 2.9) == "I am happy so"
    assert text_between(cues, 0.0, 2.1) == "I am happy"
    assert text_between(cues, 4.0, 5.0) == "a long story"
    assert text_between(cues, 9.5, 12.0) is None


def test_a_transcript_is_known_by_its_suffix():
    assert all(map(is_transcript, ("talk.SRT", "a/b c.vtt")))
    assert not any(map(is_transcript, ("I read talk.srt today", "", None)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n00:00:01,000 --> 2 s\nx\n", r"talk.srt, line 2: '00:00:01,000 --> 2 s' is no interval; expected 00:00"),
        ("00:00:05,000 --> 00:00:01,000\nx\n", "line 1: .* ends before it begins; the second time must be later"),
        ("just words\n", "talk.srt: no words with times; expected lines such as"),
        ("1\n00:00:01,000 --> 00:00:02,000\n\n", "no words with times"),
    ],
)
def test_broken_transcripts_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_transcript(written(tmp_path, text))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.srt: no such file; a transcript is an .srt or .vtt file"):
        read_transcript(tmp_path / "gone.srt")
    (tmp_path / "old.srt").write_bytes("1\n00:00:01,000 --> 00:00:02,000\nschön\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"old\.srt: not UTF-8 .* at byte 35.; convert it first"):
        read_transcript(tmp_path / "old.srt")

"""Timelines: windows of generated recordings, what is pooled over them, and the files that show them."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from transformers import WhisperConfig, WhisperModel

from multimodal_emotion import checkpoint, media, registry, transcription
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import MediaInfo
from multimodal_emotion.prediction import Prediction, predict, write
from multimodal_emotion.synthesis import FPS, RATE, film, speak
from multimodal_emotion.timeline import fixed_windows, predict_recording, timeline_writer
from multimodal_emotion.timeline_plot import COLOURS, caption, colours
from multimodal_emotion.transcripts import Cue, read_transcript

LABELS = ("anger", "joy", "neutral", "sadness")
IMAGE = {"type": "vit", "checkpoint": "vit_tiny_patch16_224", "weights": False, "size": 32, "count": 2}
IMAGE |= {"arguments": {"embed_dim": 16, "depth": 1, "num_heads": 2}}


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory) -> Path:
    """A tiny Whisper as `save_pretrained` writes it."""
    folder = tmp_path_factory.mktemp("whisper")
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    torch.manual_seed(0)
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
    WhisperModel(WhisperConfig(vocab_size=64, **tokens, **sizes, **heads)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def build(whisper_folder, tiny_bert_folder):
    """Builds a model of some modalities, with weights that decide for something."""
    encoders = {
        "audio": {"type": "whisper", "checkpoint": str(whisper_folder)},
        "image": IMAGE,
        "text": {"type": "bert", "checkpoint": str(tiny_bert_folder)},
    }

    def built(*modalities: str, task: str = "multiclass", **options) -> TrainedModel:
        torch.manual_seed(1)
        settings = ModelConfig(encoders={name: encoders[name] for name in modalities})
        goal = registry.build("tasks", task, labels=list(LABELS), **options)
        model = checkpoint.build(settings, goal)
        with torch.no_grad():
            for parameter in model.head.parameters():
                parameter.normal_(std=0.5)
        return TrainedModel(model, goal, settings)

    return built


def sentence(text: str = "dogs are sitting by the door", emotion: str = "neutral") -> np.ndarray:
    return speak(text, emotion, "ada", text)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


def wave(path: Path, *parts: np.ndarray) -> Path:
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


def picture(path: Path) -> Path:
    Image.fromarray(film(np.ones(1), "joy", "ada", "a")[0]).save(path)
    return path


def video(path: Path, sound: np.ndarray) -> Path:
    """A drawn face for as long as the sound lasts."""
    pictures = film(np.ones(round(len(sound) / RATE * FPS)), "joy", "ada", "a")
    with av.open(str(path), "w") as container:
        images = container.add_stream("mpeg4", rate=FPS)
        images.height, images.width = pictures.shape[1:3]
        voice = container.add_stream("aac", rate=RATE, layout="mono")
        for pixels in pictures:
            container.mux(images.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        frame = av.AudioFrame.from_ndarray(sound[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(voice.encode(frame))
        for stream in (images, voice):
            container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def talk(tmp_path_factory) -> tuple[Path, tuple[float, float], tuple[float, float]]:
    """A file in which somebody speaks twice, and when."""
    first, second = sentence(), sentence("kids are talking by the door")
    parts = (silence(1.0), first, silence(2.0), second, silence(1.5))
    ends = np.cumsum([len(part) / RATE for part in parts])
    path = wave(tmp_path_factory.mktemp("talk") / "talk.wav", *parts)
    return path, (float(ends[0]), float(ends[1])), (float(ends[2]), float(ends[3]))


def covered(windows, start: float, end: float) -> float:
    """The share of an interval that windows cover."""
    times = np.arange(start, end, 0.01)
    inside = np.zeros(len(times), dtype=bool)
    for window in windows:
        inside |= (times >= window.start) & (times < window.end)
    return float(inside.mean())


# Windows


def test_windows_follow_speech(build, talk):
    path, first, second = talk
    found = predict_recording(build("audio"), Utterance(id="talk", audio=path))
    assert covered(found.windows, *first) > 0.9
    assert covered(found.windows, *second) > 0.9
    assert covered(found.windows, first[1] + 0.5, second[0] - 0.5) < 0.1
    assert all(window.label in LABELS for window in found.windows)
    assert all(window.present == ("audio",) for window in found.windows)


def test_windows_of_a_fixed_length_cover_all_of_it(build, talk):
    path, _, second = talk
    found = predict_recording(build("audio"), Utterance(id="talk", audio=path), window=2, hop=1.5)
    assert [window.start for window in found.windows] == [0.0, 1.5, 3.0, 4.5, 6.0, 7.5][: len(found.windows)]
    assert found.windows[-1].end == pytest.approx(second[1] + 1.5, abs=0.01)
    assert all(window.end - window.start == 2 for window in found.windows[:-1])


@pytest.mark.parametrize(
    ("seconds", "window", "hop", "expected"),
    [
        (10.0, 5, 5, [(0, 5), (5, 10)]),
        (10.05, 5, 5, [(0, 5), (5, 10.05)]),
        (11.0, 5, 5, [(0, 5), (5, 10), (10, 11)]),
        (5.0, 3, 1, [(0, 3), (1, 4), (2, 5)]),
        (10.05, 1, 5, [(0, 1), (5, 6)]),
        (0.01, 5, 5, [(0, 0.01)]),
        (0.0, 5, 5, []),
    ],
)
def test_fixed_windows(seconds, window, hop, expected):
    assert list(fixed_windows(seconds, window, hop)) == expected


def test_a_recording_without_speech_is_cut_evenly(build, tmp_path):
    tone = 0.3 * np.sin(np.arange(7 * RATE) * 2 * np.pi * 50 / RATE).astype(np.float32)
    found = predict_recording(build("image"), Utterance(id="v", video=video(tmp_path / "a.mp4", tone)))
    assert [(window.start, window.end) for window in found.windows] == [(0, 5), (5, pytest.approx(7, abs=0.2))]
    assert found.present == ("image",)


def test_a_clip_of_fifty_milliseconds_is_one_window(build, tmp_path):
    path = wave(tmp_path / "a.wav", sentence()[8000:8800])
    found = predict_recording(build("audio"), Utterance(id="a", audio=path))
    assert [(window.start, window.end) for window in found.windows] == [(0, 0.05)]
    assert found.label in LABELS


def test_a_file_that_states_to_last_for_days_ends_where_it_ends(build, tmp_path, monkeypatch):
    clip = video(tmp_path / "a.mp4", silence(2.0))
    monkeypatch.setattr(media, "probe", lambda path: MediaInfo("video", 300_000.0, has_video=True))
    found = predict_recording(build("image"), Utterance(id="v", video=clip))
    assert [(window.start, window.end) for window in found.windows] == [(0, pytest.approx(2.5, abs=0.5))]


# What is pooled


def weighted(windows, values) -> np.ndarray:
    lengths = [window.end - window.start for window in windows]
    return np.average([list(values(window).values()) for window in windows], axis=0, weights=lengths)


def test_the_whole_is_the_mean_of_its_windows_by_length(build, talk, tmp_path):
    clip = video(tmp_path / "a.mp4", soundfile.read(talk[0], dtype="float32")[0])
    found = predict_recording(build("audio", "image"), Utterance(id="v", video=clip), window=3)
    windows = found.windows
    assert len(windows) == 3
    assert found.present == ("audio", "image")
    assert list(found.scores.values()) == pytest.approx(weighted(windows, lambda item: item.scores), abs=2e-6)
    assert found.label == max(found.scores, key=found.scores.get)
    for name in ("audio", "image"):
        expected = weighted(windows, lambda item, name=name: item.opinions[name])
        assert list(found.opinions[name].values()) == pytest.approx(expected, abs=2e-6)
    assert list(found.shares.values()) == pytest.approx(weighted(windows, lambda item: item.shares), abs=2e-4)
    assert sum(found.shares.values()) == pytest.approx(1, abs=1e-3)
    assert found.errors == ()


def test_an_absent_modality_has_no_say(build, talk):
    """Sound ends before the windows do: where it is silent, what is left decides."""
    found = predict_recording(build("audio", "text"), Utterance(id="a", audio=talk[0], text="a good day"), window=0.9)
    assert found.windows[0].present == ("text",)
    assert {window.present for window in found.windows} == {("text",), ("audio", "text")}
    both = [window for window in found.windows if "audio" in window.present]
    assert list(found.opinions["audio"].values()) == pytest.approx(
        weighted(both, lambda item: item.opinions["audio"]), abs=2e-6
    )
    assert found.text == "a good day"
    assert {window.text for window in found.windows} == {"a good day"}


def test_several_labels_and_the_label_of_the_pooled_scores(build, talk):
    found = predict_recording(build("audio", task="multilabel"), Utterance(id="a", audio=talk[0]), window=3)
    assert found.label == tuple(label for label in LABELS if found.scores[label] >= 0.5)


# What is absent


def test_a_silent_track_is_absent_and_said_so(build, tmp_path):
    clip = video(tmp_path / "quiet.mp4", silence(2.0))
    found = predict_recording(build("audio", "image", "text"), Utterance(id="v", video=clip))
    assert found.present == ("image",)
    assert found.shares == {"image": 1.0}
    assert found.label in LABELS
    (silent, speechless) = found.errors
    assert silent.startswith("audio is absent: ")
    assert "quiet.mp4 is silent" in silent
    assert speechless == "text is absent: no text"


def test_where_nothing_is_present_there_is_no_label(build, tmp_path):
    path = wave(tmp_path / "quiet.wav", silence(6.0))
    found = predict(build("audio", "image"), path)
    assert found.label is None
    assert found.scores == {}
    assert [window.label for window in found.windows] == [None, None]
    assert "quiet.wav is silent" in found.errors[0]
    assert found.errors[1] == "image is absent: no image or video file"


def test_a_file_without_a_sample(build, tmp_path):
    found = predict(build("audio"), wave(tmp_path / "empty.wav", silence(0)))
    assert (found.label, found.windows) == (None, ())
    assert "empty.wav has no sound" in found.errors[0]


def test_a_broken_file_stops_or_is_a_note(build, tmp_path):
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF of nothing")
    utterance = Utterance(id="a", audio=path, image=picture(tmp_path / "face.png"))
    with pytest.raises(InputError, match=r"broken\.wav"):
        predict_recording(build("audio", "image"), utterance)
    found = predict_recording(build("audio", "image"), utterance, on_error="skip")
    assert len(found.errors) == len(set(found.errors)) >= 1
    assert any(error.startswith("audio is absent") and "broken.wav" in error for error in found.errors)


def test_lengths_that_are_none_are_refused(build, talk):
    model, utterance = build("audio"), Utterance(id="a", audio=talk[0])
    with pytest.raises(InputError, match=r"window is 0; expected seconds, at least 0\.1"):
        predict_recording(model, utterance, window=0)
    with pytest.raises(InputError, match=r"hop is nan; expected seconds"):
        predict_recording(model, utterance, window=1, hop=float("nan"))
    with pytest.raises(InputError, match="hop is 1 without a window; give both"):
        predict_recording(model, utterance, hop=1)


def test_a_model_for_words_is_refused(build, talk):
    model = build("text", task="sequence_labelling")
    with pytest.raises(InputError, match="utterance a: it is a recording, and the model decides for each word"):
        predict_recording(model, Utterance(id="a", audio=talk[0]))


# Words


SRT = """1
00:00:01,000 --> 00:00:02,600
dogs are sitting by the door

2
00:00:04,600 --> 00:00:06,400
kids are talking
"""


def test_each_window_has_its_words(build, talk, tmp_path):
    transcript = tmp_path / "talk.srt"
    transcript.write_text(SRT)
    found = predict(build("audio", "text"), talk[0], text=str(transcript))
    said = [window.text for window in found.windows if "text" in window.present]
    assert said == ["dogs are sitting by the door", "kids are talking"]
    assert not found.transcribed
    assert found.text is None


def test_a_transcript_alone_is_followed(build, tmp_path):
    (tmp_path / "talk.srt").write_text(SRT)
    found = predict(build("text"), text=str(tmp_path / "talk.srt"))
    assert [(window.start, window.end) for window in found.windows] == [(1.0, 2.6), (4.6, 6.4)]
    assert found.windows[1].text == "kids are talking"


def test_words_made_from_the_sound(build, talk, monkeypatch):
    heard = []

    def transcribe(audio, checkpoint):
        heard.append((round(audio.seconds, 2), checkpoint))
        return [Cue(0.0, 0.5, "dogs are"), Cue(0.5, 1.0, "sitting")]

    monkeypatch.setattr(transcription, "recogniser", lambda checkpoint: None)
    monkeypatch.setattr(transcription, "transcribe", transcribe)
    found = predict_recording(build("audio", "text"), Utterance(id="a", audio=talk[0]), window=0.9, transcribe="tiny")
    assert heard[0] == (0.9, "tiny")
    assert found.transcribed
    # silence is not transcribed
    assert [window.transcribed for window in found.windows] == ["audio" in window.present for window in found.windows]
    assert {window.text for window in found.windows} == {None, "dogs are sitting"}
    without = predict_recording(build("audio"), Utterance(id="a", audio=talk[0]), transcribe="tiny")
    assert without.errors == ("the sound was not transcribed: the model takes no text",)
    assert not without.transcribed


# Files


@pytest.fixture(scope="module")
def timeline(build, talk, tmp_path_factory) -> Prediction:
    """Of a video with sound and a sentence."""
    clip = video(tmp_path_factory.mktemp("clip") / "clip.mp4", soundfile.read(talk[0], dtype="float32")[0])
    return predict(build("audio", "image", "text"), clip, text="a good day", window=0.9)


def test_subtitles(timeline, tmp_path):
    write([timeline], [tmp_path / "out.srt"], as_json=False)
    cues = read_transcript(tmp_path / "out.srt")
    assert [cue.start for cue in cues] == pytest.approx([window.start for window in timeline.windows], abs=1e-3)
    assert cues[-1].end == pytest.approx(timeline.windows[-1].end, abs=1e-3)
    last = timeline.windows[-2]
    assert cues[-2].text == f"{last.label} {last.scores[last.label]:.2f} ({', '.join(last.present)})"


def test_table_and_lines(timeline, tmp_path, capsys):
    write([timeline], [tmp_path / "out.csv", tmp_path / "out.jsonl"], as_json=False)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(timeline.windows)
    assert timeline.windows[0].present == ("image", "text")
    assert list(rows[0])[:10] == ["id", "start", "end", "text", "label", "present", *LABELS]
    # sound is silent in the first window and has its columns all the same
    assert rows[0]["audio.share"] == "" != rows[1]["audio.share"]
    assert float(rows[1]["audio.joy"]) == timeline.windows[1].opinions["audio"]["joy"]
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    assert json.loads(line) == json.loads(json.dumps(timeline.to_dict()))


def test_a_table_has_its_columns_though_the_first_row_is_empty(tmp_path):
    nothing = Prediction(id="a", label=None, scores={}, present=())
    something = Prediction(id="b", label="joy", scores={"joy": 0.75, "anger": 0.25}, present=("text",))
    write([nothing, something], [tmp_path / "out.csv"], as_json=False)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["joy"] for row in rows] == ["", "0.75"]


def colours_of(path: Path) -> dict[tuple[int, ...], int]:
    """How many pixels of each colour a picture has."""
    with Image.open(path) as image:
        assert image.size[0] == 1200
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    return {tuple(map(int, value)): int(count) for value, count in zip(values, counts, strict=True)}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def test_picture(timeline, tmp_path):
    write([timeline], [tmp_path / "out.png"], as_json=False)
    found = colours_of(tmp_path / "out.png")
    tone = colours(LABELS)
    for window in timeline.windows:
        assert found[rgb(tone[window.label])] > 500


def test_several_recordings_have_a_file_each(timeline, tmp_path):
    sentence_only = Prediction(id="words", label="joy", scores={"joy": 1.0}, present=("text",))
    others = [replace(timeline, id="a/b c.wav"), sentence_only, replace(timeline, id="a/b c.wav")]
    write([timeline, *others], [tmp_path / "out.srt"], as_json=False)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["out.a_b_c.wav.2.srt", "out.a_b_c.wav.srt", "out.clip.mp4.srt"]


def test_sentences_have_no_timeline(tmp_path):
    plain = Prediction(id="words", label="joy", scores={"joy": 1.0}, present=("text",))
    with pytest.raises(InputError, match=r"out\.png: nothing here has a timeline; write \.csv or \.jsonl"):
        write([plain], [tmp_path / "out.png"], as_json=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".srt", ".png"])
def test_timelines_of_nothing_of_many_labels_and_of_values(suffix, tmp_path):
    silent = Prediction("a", None, {}, (), start=0.0, end=0.05, errors=("audio is absent: $a_b$ is silent",) * 9)
    many = Prediction("b", ("joy", "anger"), {"anger": 0.6, "joy": 0.7, "calm": 0.1}, ("text",), "你好", 0.0, 2.0)
    none = replace(many, label=(), start=2.0, end=3.0)
    values = Prediction("c", {"valence": -0.5}, {"valence": -0.5}, ("audio",), start=0.0, end=9.0)
    path = tmp_path / f"out{suffix}"
    with timeline_writer(path) as add:
        add(replace(silent, windows=(silent,)))
        add(replace(many, windows=(many, none)))
        add(replace(values, windows=(values, replace(values, label=None, scores={}, start=10.0, end=11.0))))
    assert len(list(tmp_path.iterdir())) == 3
    assert [caption(item) for item in (silent, many, none, values)] == [
        "nothing to predict from",
        "joy 0.70, anger 0.60 (text)",
        "no label (text)",
        "valence -0.50 (audio)",
    ]


def test_every_label_has_a_colour_of_its_own():
    labels = ["joy", "happy", "anger", "gratitude", "pride", "remorse", *map(str, range(8))]
    found = colours(labels)
    assert list(found) == labels
    assert len(set(found.values())) == len(labels)
    assert "joy" in COLOURS[found["joy"]]
    assert colours(["anger", "joy"])["joy"] == found["joy"]


# Length


MEMORY = """
import resource, sys
from pathlib import Path

from multimodal_emotion import checkpoint
from multimodal_emotion.batch import Utterance
from multimodal_emotion.timeline import predict_recording

model = checkpoint.load(sys.argv[1])

def peak(path):
    count = len(predict_recording(model, Utterance(id="a", audio=Path(path)), window=10).windows)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, count

(short, few), (long, many) = peak(sys.argv[2]), peak(sys.argv[3])
print(long / short, few, many)
"""


def test_half_an_hour_needs_no_more_memory_than_two_minutes(build, tmp_path):
    checkpoint.save(build("audio"), tmp_path / "model")
    spoken = sentence()[:RATE]
    paths = tmp_path / "short.wav", tmp_path / "long.wav"
    for path, minutes in zip(paths, (2, 30), strict=True):
        with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
            for _ in range(6 * minutes):
                file.write(np.concatenate([spoken, silence(9)]))
    arguments = [sys.executable, "-c", MEMORY, str(tmp_path / "model"), *map(str, paths)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    ratio, few, many = map(float, done.stdout.split())
    assert (few, many) == (12, 180)
    assert ratio < 1.1

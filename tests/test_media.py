"""Decoding: every format, the time axis, what is absent, what is broken, and how much a call may take."""

import contextlib
import struct
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import scipy.signal
import soundfile
import torch
import torchaudio
from PIL import Image

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError
from multimodal_emotion.media import (
    Text,
    _audio,
    _container,
    _limits,
    _resampling,
    _video,
    audio_of,
    frames_of,
    is_silent,
    probe,
    read_audio,
    read_frames,
    read_image,
    stream_audio,
    stream_frames,
    text_of,
    why_absent,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


# Making files


def tone(seconds: float = 1.0, rate: int = 44100, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds: float, rate: int) -> np.ndarray:
    """Noise below 1 kHz, which every codec and sample rate keeps."""
    white = np.random.default_rng(0).standard_normal(round(seconds * rate))
    return (0.1 * np.convolve(white, np.ones(rate // 1000) / np.sqrt(rate / 1000), "same")).astype(np.float32)


def brightness(second: float) -> np.ndarray:
    """A picture whose grey tells its second: 100 levels each."""
    return np.full((48, 64, 3), round(100 * second), dtype=np.uint8)


def corner(second: float) -> np.ndarray:
    """Red in the upper left corner, blue in the lower left."""
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    picture[:24, :32], picture[24:, :32] = RED, BLUE
    return picture


def write(
    path: Path,
    video: str | None = None,
    audio: str | None = None,
    sound: np.ndarray | Iterable[np.ndarray] = (),
    rate: int = 44100,
    late: float = 0.0,
    times: Iterable[float] = tuple(np.arange(20) / 10),
    picture: Callable[[float], np.ndarray] = brightness,
    edit: Callable[[av.VideoStream], object] = lambda stream: None,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a file with PyAV: a video track of pictures at some times, and a mono sound track for each array of `sound`."""
    packets = []
    with av.open(str(path), "w", options=options or {}) as container:
        if video:
            times = list(times)
            stream = container.add_stream(video, rate=25 if video.startswith("mpeg2") else 10)
            stream.height, stream.width = picture(0).shape[:2]
            stream.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
            ticks = 25 if video.startswith("mpeg2") else 10 if video == "mpeg4" else 1000
            stream.codec_context.time_base = Fraction(1, ticks)
            stream.codec_context.thread_count = 1
            edit(stream)
            for second in times:
                frame = av.VideoFrame.from_ndarray(picture(second), format="rgb24").reformat(format=stream.pix_fmt)
                frame.time_base = stream.codec_context.time_base
                frame.pts = round(second / frame.time_base)
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for samples in [sound] if isinstance(sound, np.ndarray) else sound:
            packets += sound_packets(container, audio, samples, rate, late)
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            container.mux(packet)
    return path


def sound_packets(container, codec: str, samples: np.ndarray, rate: int, late: float) -> list[av.Packet]:
    stream = container.add_stream(codec, rate=rate, layout="mono", bit_rate=96_000)
    packets = []
    fifo = av.AudioFifo()
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate = rate
    for part in av.AudioResampler(stream.format, "mono", rate).resample(frame):
        part.pts = None
        fifo.write(part)
    position = round(late * rate)
    while (part := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
        part.pts, part.time_base = position, Fraction(1, rate)
        position += part.samples
        packets += stream.encode(part)
    return packets + stream.encode(None)


def wave(path: Path, samples: np.ndarray, rate: int = 16000, **settings: str) -> Path:
    soundfile.write(path, samples, rate, **settings)
    return path


def wave_header(path: Path, data: bytes, rate: int = 16000, channels: int = 1, bits: int = 16, kind: int = 1) -> Path:
    """A wav file by hand, whose sizes may lie."""
    frame = channels * bits // 8
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, rate * frame % 2**32, frame % 2**16, bits)
    path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + head + b"data\xff\xff\xff\xff" + data)
    return path


def same_sound(found: np.ndarray, expected: np.ndarray, least: float = 0.97, trim: int = 300) -> bool:
    """Alike but for codec losses, and not shifted; the ends, where filters and codecs fade, do not count."""
    length = min(len(found), len(expected))
    return np.corrcoef(found[trim : length - trim], expected[trim : length - trim])[0, 1] > least


def delay(found: np.ndarray, expected: np.ndarray) -> int:
    """By how many samples the one lags the other."""
    return int(scipy.signal.correlate(found, expected, method="fft").argmax()) - len(expected) + 1


def greys(pixels: np.ndarray) -> list[float]:
    """The seconds that `brightness` coded, to a tenth."""
    return [round(float(picture.mean()) / 100, 1) for picture in pixels]


def resampled(seconds: float, rate: int) -> np.ndarray:
    """`noise` at 16 kHz by other means."""
    return torchaudio.functional.resample(torch.from_numpy(noise(seconds, rate)), rate, 16000).numpy()


# Sound: formats


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.wav", kind) for kind in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")]
    + [("a.wav", "IMA_ADPCM"), ("a.wav", "MS_ADPCM"), ("a.rf64", "PCM_16"), ("a.w64", "PCM_16"), ("a.caf", "PCM_16")]
    + [("a.flac", "PCM_16"), ("a.flac", "PCM_24"), ("a.ogg", "VORBIS"), ("a.aiff", "PCM_16"), ("a.au", "PCM_16")],
)
def test_sound_file(tmp_path, name, subtype):
    audio = read_audio(wave(tmp_path / name, noise(1.0, 22050), 22050, subtype=subtype))
    assert audio.rate == 16000
    # ADPCM comes in blocks of a fixed size, the last of them filled up
    assert 16000 <= len(audio.samples) <= (17100 if "ADPCM" in subtype else 16000)
    assert same_sound(audio.samples, resampled(1.0, 22050))


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp3", "libmp3lame", 44100),
        ("a.m4a", "aac", 44100),
        ("a.aac", "aac", 44100),
        ("a.opus", "libopus", 48000),
        ("a.wma", "wmav2", 44100),
        ("a.ac3", "ac3", 48000),
        ("a.mka", "flac", 44100),
        ("a.wav", "libmp3lame", 44100),
        ("a.mov", "pcm_f32le", 11025),
        ("a.avi", "pcm_u8", 22050),
    ],
)
def test_compressed_sound_whole_and_in_part(tmp_path, name, codec, rate):
    path = write(tmp_path / name, audio=codec, sound=noise(2.0, rate), rate=rate)
    whole = read_audio(path).samples
    late = delay(whole, resampled(2.0, rate))
    # formats without an edit list keep the run-up of the encoder
    assert 0 <= late < (2200 if name in ("a.aac", "a.wma", "a.ac3", "a.wav") else 40)
    assert same_sound(whole[late:], resampled(2.0, rate))
    part = read_audio(path, start=0.7, end=1.2).samples
    assert len(part) == 8000
    early = delay(whole[11200:19200], part)
    assert abs(early) < 20
    assert same_sound(whole[11200 + early :], part)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
@pytest.mark.parametrize("kernel_size", [2**20, 0])
def test_sample_rates_are_converted_as_torchaudio_does(monkeypatch, rate, kernel_size):
    monkeypatch.setattr(_resampling, "KERNEL_SIZE", kernel_size)  # 0: by our own table, as for odd rates
    samples = noise(0.5, rate)
    reference = torchaudio.functional.resample(
        torch.from_numpy(samples).double(), rate, 16000, lowpass_filter_width=_resampling.ZERO_CROSSINGS
    )
    assert np.abs(convert(samples, rate, 16000) - reference.numpy()).max() < 1e-5


def convert(samples: np.ndarray, source: int, target: int, cuts: int = 1) -> np.ndarray:
    resampler = _resampling.Resampler(source, target)
    parts = [resampler.push(part) for part in np.array_split(samples, cuts)]
    return np.concatenate([*parts, resampler.flush()])


@pytest.mark.parametrize("rate", [8000, 22222, 44100])
def test_conversion_does_not_depend_on_the_blocks(rate):
    samples = noise(0.4, rate)
    assert np.allclose(convert(samples, rate, 16000, cuts=7), convert(samples, rate, 16000), atol=1e-6)


def test_conversion_removes_what_the_new_rate_cannot_hold():
    kept, folded = convert(tone(1.0, 44100, 7500), 44100, 16000), convert(tone(1.0, 44100, 9000), 44100, 16000)
    assert np.abs(kept[800:-800]).max() == pytest.approx(0.5, abs=0.01)
    assert np.abs(folded[800:-800]).max() < 1e-4


# Sound: channels


def test_channels_are_averaged(tmp_path):
    left, right = tone(rate=16000), tone(rate=16000, frequency=900)
    audio = read_audio(wave(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT"))
    assert np.allclose(audio.samples, (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("suffix", ["wav", "mka"])
def test_channels_in_antiphase_do_not_become_silence(tmp_path, suffix):
    samples = tone(rate=16000)
    path = wave(tmp_path / "a.wav", np.stack([samples, -0.99 * samples], axis=1), subtype="FLOAT")
    if suffix == "mka":
        path = copied(path, tmp_path / "a.mka")
    assert np.abs(read_audio(path).samples).max() == pytest.approx(0.5, abs=0.01)


def copied(source: Path, target: Path) -> Path:
    """The same track in another container."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams[0])
        for packet in old.demux(old.streams[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return target


def test_one_channel_of_two_is_kept(tmp_path):
    samples = tone(rate=16000)
    audio = read_audio(wave(tmp_path / "a.wav", np.stack([samples, 0 * samples], axis=1)))
    assert np.abs(audio.samples).max() == pytest.approx(0.25, abs=0.01)


def test_a_voice_in_one_channel_of_six_is_not_thinned(tmp_path):
    channels = np.zeros((16000, 6), dtype=np.float32)
    channels[:, 2] = tone(rate=16000)
    assert np.abs(read_audio(wave(tmp_path / "a.wav", channels)).samples).max() == pytest.approx(0.5, abs=0.01)


# Sound: what is absent


def test_more_channels_than_ffmpeg_lists_in_a_frame(tmp_path):
    path, samples = tmp_path / "many.wv", (8192 * tone(1.0, 16000)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("wavpack", rate=16000, layout="hexadecagonal")
        stream.format = "s16p"
        frame = av.AudioFrame.from_ndarray(np.repeat(samples, 16)[None], format="s16", layout="hexadecagonal")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    found = read_audio(path)
    assert found is not None
    np.testing.assert_allclose(found.samples, samples / 2**15, atol=1e-6)


def test_silence_is_sound_of_a_file_but_an_absent_modality(tmp_path):
    path = wave(tmp_path / "a.wav", np.zeros(16000))
    assert is_silent(read_audio(path))
    assert audio_of(Utterance("u", audio=path)) is None
    assert why_absent(Utterance("u", audio=path), "audio") == f"{path} is silent: it stays below -60 dB of full scale"


@pytest.mark.parametrize(("level", "silent"), [(0.5, True), (0.5005, True), (0.51, False)])
def test_a_constant_is_silence(tmp_path, level, silent):
    samples = np.full(16000, 0.5)
    samples[8000] = level
    assert is_silent(read_audio(wave(tmp_path / "a.wav", samples, subtype="FLOAT"))) is silent


def test_a_video_without_sound_is_no_error(tmp_path):
    path = write(tmp_path / "a.mp4", "mpeg4")
    assert read_audio(path) is None
    assert list(stream_audio(path)) == []
    assert why_absent(Utterance("u", video=path), "audio") == f"{path} has no sound track"


def test_an_interval_after_the_end_is_absent(tmp_path):
    path = wave(tmp_path / "a.wav", tone(rate=16000))
    assert read_audio(path, start=1.5) is None
    assert why_absent(Utterance("u", audio=path, start=1.5), "audio") == f"{path} has no sound after 1.5 s"
    assert len(read_audio(path, start=0.75, end=9).samples) == 4000


def test_a_file_without_samples_is_absent(tmp_path):
    path = wave(tmp_path / "a.wav", np.zeros(0))
    assert read_audio(path) is None
    assert why_absent(Utterance("u", audio=path), "audio") == f"{path} has no sound"


# Sound: the time axis


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "flac"), ("a.mp4", "aac"), ("a.webm", "libopus")])
def test_sound_that_begins_late_keeps_its_place(tmp_path, name, codec):
    rate = 48000
    video = "libvpx" if name == "a.webm" else "mpeg4"
    path = write(tmp_path / name, video, codec, sound=tone(1.0, rate), rate=rate, late=0.75)
    info = probe(path)
    assert (info.audio_start, info.video_start) == (pytest.approx(0.75, abs=0.03), 0.0)
    samples = read_audio(path).samples
    assert np.argmax(np.abs(samples) > 0.1) / 16000 == pytest.approx(0.75, abs=0.003)
    middle = read_audio(path, start=0.5, end=1.0).samples
    assert len(middle) == 8000
    assert np.argmax(np.abs(middle) > 0.1) / 16000 == pytest.approx(0.25, abs=0.003)
    assert read_audio(path, end=0.5) is None


def test_a_gap_in_the_track_is_silence(tmp_path):
    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as container:
        first = sound_packets(container, "flac", tone(0.5), 44100, 0.0)
        for packet in first:
            if packet.pts > 0.25 * 1000 * packet.time_base * 1000 and packet.pts * packet.time_base > 0.25:
                packet.pts += round(1 / packet.time_base)
                packet.dts = packet.pts
            container.mux(packet)
    samples = read_audio(path).samples
    assert len(samples) == pytest.approx(1.5 * 16000, abs=32)
    assert np.abs(samples[6000:18000]).max() < 1e-3
    assert np.abs(samples[21000:23000]).max() > 0.4


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_an_interval_is_cut_exactly(tmp_path, suffix):
    path = wave(tmp_path / f"a.{suffix}", noise(2.0, 16000))
    assert np.array_equal(read_audio(path, start=0.5, end=0.75).samples, read_audio(path).samples[8000:12000])


def test_ten_milliseconds(tmp_path):
    assert len(read_audio(wave(tmp_path / "a.wav", tone(0.01), 44100)).samples) == 160
    path = write(tmp_path / "a.mp4", "mpeg4", "aac", sound=tone(0.01), times=[0.0])
    assert 160 <= len(read_audio(path).samples) < 1600
    assert len(read_frames(path, start=0.0, end=0.01).times) == 1


def test_the_first_of_several_tracks_is_taken(tmp_path):
    path = write(tmp_path / "a.mka", audio="flac", sound=[tone(1.0), tone(1.0, frequency=2000)])
    assert same_sound(read_audio(path).samples, tone(1.0, 16000))


# Sound: what is broken


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("suffix", ["wav", "mka"])
def test_samples_that_are_no_numbers(tmp_path, value, suffix):
    samples = tone(rate=16000)
    samples[5000] = value
    path = wave(tmp_path / "a.wav", samples, subtype="FLOAT")
    if suffix == "mka":
        path = copied(path, tmp_path / "a.mka")
    with pytest.raises(InputError, match=r"a sample is .*; expected numbers around -1 to 1"):
        read_audio(path)


def test_integers_stored_as_floats_are_let_through(tmp_path):
    assert np.abs(read_audio(wave(tmp_path / "a.wav", 3e4 * tone(rate=16000), subtype="FLOAT")).samples).max() > 1e4


@pytest.mark.parametrize("content", [b"", b"x", b"a text, not a sound\n" * 40, b"RIFF\x10\0\0\0WAVEfmt ", b"\0" * 5000])
@pytest.mark.parametrize("suffix", ["wav", "mp3", "mp4", "flac"])
def test_what_is_no_sound(tmp_path, content, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    for read in (read_audio, read_frames, probe):
        with pytest.raises(InputError, match=r"a\.\w+: (cannot be decoded as sound or video|nothing of its)"):
            read(path)


def test_what_is_no_file(tmp_path):
    for read in (read_audio, read_frames, read_image, probe):
        with pytest.raises(InputError, match=r"none\.wav: no such file"):
            read(tmp_path / "none.wav")
        with pytest.raises(InputError, match=r"not a file"):
            read(tmp_path)


def test_a_file_cut_short_gives_what_is_there(tmp_path):
    path = wave(tmp_path / "a.wav", noise(1.0, 16000))
    whole = read_audio(path).samples
    path.write_bytes(path.read_bytes()[:16044])
    assert np.array_equal(read_audio(path).samples, whole[:8000])


def test_damaged_packets_are_left_out_and_told(tmp_path):
    path = write(tmp_path / "a.mka", audio="flac", sound=noise(2.0, 44100))
    content = bytearray(path.read_bytes())
    for start in range(len(content) // 2, len(content) // 2 + 3000):
        content[start] ^= 0x55
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"packets of its sound track are damaged and were left out"):
        audio = read_audio(path)
    assert audio.seconds == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 50}, "its sample rate is 50 Hz; expected 100 to 768000"),
        ({"rate": 192001}, "cannot convert a sample rate of 192001 Hz to 16000 Hz"),
        ({"bits": 36}, "no decoder for its sound track"),
    ],
)
def test_headers_that_no_recording_has(tmp_path, settings, message):
    path = wave_header(tmp_path / "a.wav", b"\1\2" * 9000, **settings)
    with pytest.raises(InputError, match=message):
        read_audio(path)


def test_a_header_that_lies_about_its_size(tmp_path):
    assert len(read_audio(wave_header(tmp_path / "a.wav", b"\1\2" * 9000)).samples) == 9000


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1), (-1, 1), (float("nan"), 1)])
def test_intervals_that_are_none(tmp_path, start, end):
    path = wave(tmp_path / "a.wav", tone(rate=16000))
    with pytest.raises(InputError, match=r"the interval from .* is empty"):
        read_audio(path, start=start, end=end)


def test_sound_too_long_to_hold(tmp_path, monkeypatch):
    path = wave(tmp_path / "a.wav", tone(rate=16000))
    monkeypatch.setattr(_audio, "MAX_SAMPLES", 15000)
    with pytest.raises(InputError, match=r"longer than 0 minutes; read an interval of it"):
        read_audio(path)
    assert read_audio(path, end=0.5) is not None
    assert audio_of(Utterance("u", audio=path), max_seconds=0.5) is not None
    monkeypatch.setattr(_audio, "MAX_SOURCE_SAMPLES", 1000)
    with pytest.raises(InputError, match=r"more than 0 million samples"):
        read_audio(path)


def test_nothing_is_written_to_the_terminal(tmp_path, capfd):
    for name, video, audio in (("a.mp3", None, "libmp3lame"), ("a.ts", "mpeg2video", "aac"), ("a.mkv", "mpeg4", "aac")):
        path = write(tmp_path / name, video, audio, sound=noise(1.0, 44100))
        content = bytearray(path.read_bytes())
        for start in range(400, len(content), 97):
            content[start] ^= 0xFF
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for read in (read_audio, read_frames):
                with contextlib.suppress(InputError):
                    read(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
    ],
)
def test_playlists_are_not_followed(tmp_path, content):
    secret = write(tmp_path / "a.ts", "mpeg2video", "mp2", sound=tone())
    path = tmp_path / "b.mp4"
    path.write_text(content.format(path=secret))
    with pytest.raises(InputError, match=r"cannot be decoded"):
        read_audio(path)


# Long sound


@pytest.mark.parametrize(("seconds", "hop"), [(1.0, None), (1.0, 0.25), (0.7, 0.5), (5.0, None)])
def test_blocks_of_a_stream(tmp_path, seconds, hop):
    path = wave(tmp_path / "a.flac", noise(3.1, 22050), 22050)
    whole = read_audio(path).samples
    blocks = list(stream_audio(path, seconds=seconds, hop=hop))
    for second, block in blocks:
        start = round(second * 16000)
        assert np.allclose(block.samples, whole[start : start + round(seconds * 16000)], atol=1e-6)
    assert [second for second, _ in blocks] == pytest.approx([k * (hop or seconds) for k in range(len(blocks))])
    assert blocks[-1][0] + blocks[-1][1].seconds == pytest.approx(len(whole) / 16000)
    if len(blocks) > 1:
        assert blocks[-2][0] + blocks[-2][1].seconds < len(whole) / 16000


def test_blocks_that_make_no_sense(tmp_path):
    path = wave(tmp_path / "a.wav", tone(rate=16000))
    for settings in ({"seconds": 0}, {"seconds": 1, "hop": 0}, {"seconds": 1, "hop": 2}):
        with pytest.raises(InputError, match=r"both must be positive, the second not above the first"):
            next(stream_audio(path, **settings))


LONG = """
import resource, sys
from multimodal_emotion.media import read_audio, stream_audio

def peak(seconds):
    total = sum(block.seconds for _, block in stream_audio(sys.argv[1], seconds=30, end=seconds))
    assert abs(total - seconds) < 1, total
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

short, long = peak(120), peak(7200)
late = read_audio(sys.argv[1], start=7100, end=7101).samples
print(long / short, len(late))
"""


def test_two_hours_need_no_more_memory_than_two_minutes(tmp_path):
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", 8000, 1, subtype="PCM_U8") as file:
        for _ in range(120):
            file.write(noise(60, 8000))
    run = subprocess.run([sys.executable, "-c", LONG, str(path)], capture_output=True, text=True, check=True)
    ratio, length = map(float, run.stdout.split())
    assert ratio < 1.05
    assert length == 16000


# Video


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mp4", "libx265"),
        ("a.mp4", "libsvtav1"),
        ("a.mkv", "libvpx-vp9"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
        ("a.flv", "flv"),
        ("a.mov", "mjpeg"),
        ("a.wmv", "wmv2"),
        ("a.mpg", "mpeg2video"),
        ("a.ts", "libx264"),
    ],
)
def test_video_formats(tmp_path, monkeypatch, name, codec):
    monkeypatch.setenv("SVT_LOG", "0")
    quiet = {"libx265": {"x265-params": "log-level=none"}}.get(codec, {})
    times = np.arange(50) / 25 if codec == "mpeg2video" else np.arange(20) / 10
    path = write(tmp_path / name, codec, times=times, edit=lambda stream: setattr(stream, "options", quiet))
    frames = read_frames(path)
    assert frames.pixels.shape == (len(times), 48, 64, 3)
    zero = frames.times[0]  # transport streams do not begin at zero
    assert np.allclose(frames.times - zero, times, atol=0.09 if name == "a.mpg" else 0.002)  # it misses stamps
    part = read_frames(path, start=1.02 + zero, end=1.32 + zero, fps=10)
    assert greys(part.pixels) == [1.0, 1.1, 1.2]


def test_pictures_are_chosen_by_time_not_by_number(tmp_path):
    times = [0.0, 0.05, 0.4, 0.45, 1.2, 1.3, 2.5]
    path = write(tmp_path / "a.mkv", "libx264", times=times)
    assert np.allclose(read_frames(path).times, times)
    assert np.allclose(read_frames(path, fps=2).times, [0.0, 0.45, 1.3, 2.5])
    assert np.allclose(read_frames(path, count=2, end=2.4).times, [0.45, 1.3])
    assert np.allclose(read_frames(path, start=1.0, end=1.1).times, [0.45])  # on show all the while
    assert np.allclose(read_frames(path, start=1.0, end=1.25).times, [0.45, 1.2])
    assert greys(read_frames(path, start=1.25).pixels) == [1.2, 1.3, 2.5]


def test_count_spreads_over_the_interval(tmp_path):
    path = write(tmp_path / "a.mp4", "mpeg4")
    assert np.allclose(read_frames(path, count=4).times, [0.2, 0.7, 1.2, 1.7])
    assert np.allclose(read_frames(path, count=2, start=1.0).times, [1.2, 1.7])
    assert np.allclose(read_frames(path, count=100).times, np.arange(20) / 10)
    assert np.allclose(read_frames(path, count=100, fps=2).times, [0.2, 0.7, 1.2, 1.7])
    assert np.allclose(read_frames(path, count=1).times, [1.0])


def test_pictures_that_begin_late(tmp_path):
    path = write(tmp_path / "a.mkv", "mpeg4", "flac", sound=tone(2.0), times=np.arange(10) / 10 + 1)
    assert np.allclose(read_frames(path, fps=1).times, [1.0])
    assert np.allclose(read_frames(path, start=0.5, end=1.05).times, [1.0])
    assert read_frames(path, end=0.5) is None


def test_one_picture(tmp_path):
    path = write(tmp_path / "a.mp4", "mpeg4", times=[0.0])
    for settings in ({}, {"fps": 5}, {"count": 8}, {"start": 0.0, "end": 5.0}):
        assert np.allclose(read_frames(path, **settings).times, [0.0])
    assert read_frames(path, start=3.0) is None
    assert why_absent(Utterance("u", video=path, start=3.0), "image") == f"{path} has no picture after 3 s"


def test_sound_alone_has_no_pictures(tmp_path):
    path = wave(tmp_path / "a.wav", tone())
    assert read_frames(path) is None
    assert read_frames(path, count=2) is None
    assert list(stream_frames(path)) == []


def test_cover_art_is_no_video(tmp_path):
    plain = write(tmp_path / "a.mp3", audio="libmp3lame", sound=tone())
    Image.new("RGB", (8, 8), RED).save(tmp_path / "cover.png")
    picture = b"\0image/png\0\x03\0" + (tmp_path / "cover.png").read_bytes()
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    path = tmp_path / "b.mp3"
    path.write_bytes(b"ID3\x03\0\0" + size + frame + plain.read_bytes())
    assert probe(path).kind == "audio"
    assert read_frames(path) is None


MATRICES = {
    # a, b, c, d of the display matrix: where red and blue, at the upper and lower left, come to stand
    "upright": ((1, 0, 0, 1), 0, ((0, 0), (1, 0))),
    "clockwise": ((0, 1, -1, 0), 90, ((0, 1), (0, 0))),
    "half": ((-1, 0, 0, -1), 180, ((1, 1), (0, 1))),
    "counter-clockwise": ((0, -1, 1, 0), 270, ((1, 0), (1, 1))),
    "mirrored": ((-1, 0, 0, 1), 0, ((0, 1), (1, 1))),
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_pictures_are_turned_by_the_display_matrix(tmp_path, matrix):
    (a, b, c, d), degrees, (red, blue) = MATRICES[matrix]
    path = write(tmp_path / "a.mp4", "mpeg4", times=[0.0, 0.1], picture=corner)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    picture = read_frames(path).pixels[0].astype(int)
    height, width = picture.shape[:2]
    assert (height, width) == ((64, 48) if degrees in (90, 270) else (48, 64))
    info = probe(path)
    assert (info.rotation, info.width, info.height) == (degrees, width, height)
    for (row, column), colour in ((red, RED), (blue, BLUE)):
        found = picture[height // 4 + row * height // 2, width // 4 + column * width // 2]
        assert np.abs(found - colour).max() < 60


def test_pixels_that_are_not_square_are_stretched(tmp_path):
    def anamorphic(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)

    path = write(tmp_path / "a.mkv", "mpeg4", times=[0.0, 0.1], edit=anamorphic)
    assert read_frames(path).pixels.shape == (2, 48, 128, 3)


def test_large_pictures_are_scaled_down(tmp_path, monkeypatch):
    monkeypatch.setattr(_video, "LONGEST_SIDE", 32)
    assert read_frames(write(tmp_path / "a.mp4", "mpeg4")).pixels.shape == (20, 24, 32, 3)


def test_colours_are_kept(tmp_path):
    path = write(
        tmp_path / "a.mp4", "libx264", times=[0.0, 0.1], picture=lambda _: np.full((48, 64, 3), (200, 30, 40), np.uint8)
    )
    assert np.abs(read_frames(path).pixels[0].mean(axis=(0, 1)) - (200, 30, 40)).max() < 5


def test_time_stamps_of_avi_with_b_frames_ascend(tmp_path):
    frames = read_frames(write(tmp_path / "a.avi", "libx264", edit=lambda stream: setattr(stream, "max_b_frames", 2)))
    assert greys(frames.pixels) == [round(k / 10, 1) for k in range(20)]
    assert (np.diff(frames.times) > 0).all()


def test_a_length_that_is_not_stated(tmp_path):
    path = write(tmp_path / "a.webm", "libvpx", options={"live": "1"})
    with av.open(str(path)) as container:
        assert container.duration is None
    assert np.allclose(read_frames(path, count=4).times, [0.2, 0.7, 1.2, 1.7])
    assert probe(path).duration == pytest.approx(2.0, abs=0.05)


def test_a_length_that_is_stated_wrongly(tmp_path):
    path = write(tmp_path / "a.flv", "flv")
    content = path.read_bytes()
    place = content.index(b"duration") + 9
    path.write_bytes(content[:place] + struct.pack(">d", 3600.0) + content[place + 8 :])
    assert len(read_frames(path, count=4).times) == 4


def test_streamed_pictures_are_the_read_ones(tmp_path):
    path = write(tmp_path / "a.mp4", "libx264")
    frames = read_frames(path, fps=4, start=0.3, end=1.5)
    streamed = list(stream_frames(path, fps=4, start=0.3, end=1.5))
    assert np.allclose([second for second, _ in streamed], frames.times)
    assert np.array_equal([picture for _, picture in streamed], frames.pixels)


def minute(second: float) -> float:
    """What a picture of the long video shows."""
    return round(second // 60 % 12 / 5, 1)


@pytest.fixture(scope="module")
def long_video(tmp_path_factory) -> Path:
    """Two hours, one small picture a second whose grey changes every minute; a key picture every two minutes."""

    def keys(stream):
        stream.codec_context.gop_size = 120

    path = tmp_path_factory.mktemp("long") / "a.mkv"
    return write(path, "mpeg4", times=range(7200), picture=lambda s: brightness(minute(s)), edit=keys)


@pytest.mark.parametrize(
    "settings", [{"start": 6605, "end": 6610}, {"count": 8}, {"start": 6000, "end": 6600, "count": 4}]
)
def test_pictures_of_a_long_video_are_sought(long_video, monkeypatch, settings):
    packets = []

    def count(self):
        packets.append(self)

    monkeypatch.setattr(_limits.Patience, "check", count)
    frames = read_frames(long_video, **settings)
    assert greys(frames.pixels) == [minute(second) for second in frames.times]
    assert len(frames.times) == settings.get("count", 5)
    assert len(packets) < 200 * len(frames.times) ** (0 if "count" not in settings else 1)


def test_pictures_too_many_to_hold(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", "mpeg4")
    monkeypatch.setattr(_video, "MAX_FRAME_BYTES", 50_000)
    with pytest.raises(InputError, match=r"its pictures of 64 x 48 take more than .*; give an interval, fps or count"):
        read_frames(path)
    assert len(read_frames(path, count=4).times) == 4
    assert len(list(stream_frames(path))) == 20


def test_pictures_too_large_to_decode(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", "mpeg4")
    monkeypatch.setattr(_container, "MAX_FRAME_PIXELS", 1000)
    with pytest.raises(InputError, match=r"its pictures are 64 x 48; at most 1,000 pixels are decoded"):
        read_frames(path)


def test_what_is_done_with_blocks_is_not_the_decoder_s_time(tmp_path, monkeypatch):
    path = write(tmp_path / "a.m4a", None, "aac", sound=tone(100.0, 16000), rate=16000)
    monkeypatch.setattr(_limits, "PATIENCE", 0.1)
    seconds = 0.0
    for _, block in stream_audio(path, seconds=10.0):
        seconds += block.seconds
        began = time.thread_time()
        while time.thread_time() < began + 0.15:
            pass
    assert seconds == pytest.approx(100.0, abs=0.5)


def test_a_decoder_that_gives_nothing_is_given_up(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", "mpeg4", "aac", sound=tone())
    monkeypatch.setattr(_limits, "PATIENCE", -1.0)
    for read in (read_frames, read_audio):
        with pytest.raises(InputError, match=r"gave up after -1 s, or \d+ MiB, that gave nothing"):
            read(path)


@pytest.mark.parametrize("settings", [{"fps": 0}, {"fps": -1.0}, {"count": 0}])
def test_rates_and_counts_that_are_none(tmp_path, settings):
    path = write(tmp_path / "a.mp4", "mpeg4")
    with pytest.raises(InputError, match=r"(fps|count) is -?\d.*; expected a number above 0"):
        read_frames(path, **settings)


def test_a_video_without_its_index_is_broken(tmp_path):
    path = write(tmp_path / "a.mp4", "mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"a\.mp4: cannot be decoded"):
        read_frames(path)


# Images


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.png", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    + [("a.tif", mode) for mode in ("1", "L", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F")]
    + [("a.jpg", mode) for mode in ("L", "RGB", "CMYK")]
    + [("a.webp", "RGB"), ("a.gif", "P"), ("a.avif", "RGB"), ("a.ico", "RGBA"), ("a.bmp", "RGB"), ("a.jp2", "RGB")],
)
def test_image_modes_and_formats(tmp_path, name, mode):
    if mode in ("I", "F", "I;16"):
        scale = 257 if mode == "I;16" else 1
        ramp = np.repeat(np.linspace(0, 255, 32)[:, None], 32, axis=1) * scale
        image = Image.fromarray(ramp.astype({"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]))
    else:
        grey = Image.linear_gradient("L").resize((32, 32))
        image = in_mode(Image.merge("RGB", (grey, grey, grey)), mode)
    image.save(tmp_path / name)
    with Image.open(tmp_path / name) as stored:
        assert stored.mode == mode
    pixels = read_image(tmp_path / name).astype(int)
    assert pixels.shape == (32, 32, 3)
    top, bottom = pixels[:8].mean(), pixels[-8:].mean()
    assert top < 60
    assert bottom > 195
    assert np.ptp(pixels.mean(axis=(0, 1))) < 12  # grey


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        neutral = Image.new("L", image.size, 128)
        return Image.merge("LAB", (image.convert("L"), neutral, neutral))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_transparent_parts_lie_on_white(tmp_path, mode):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 2, 4))
    image.convert(mode).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png")
    assert tuple(pixels[0, 3]) == WHITE
    assert tuple(pixels[0, 0]) != WHITE


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_images_are_turned_by_their_exif_orientation(tmp_path, orientation, name):
    upright = np.zeros((16, 24, 3), dtype=np.uint8)
    upright[:8, :12], upright[8:, :12], upright[:8, 12:] = RED, BLUE, GREEN
    # how a camera held in each of the eight ways stores this scene
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    settings = {"lossless": True} if name == "a.webp" else {}
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / name, exif=exif, **settings)
    assert np.array_equal(read_image(tmp_path / name), upright)
    assert (probe(tmp_path / name).width, probe(tmp_path / name).height) == (24, 16)


def test_only_the_first_picture_of_an_animation_is_taken(tmp_path):
    pictures = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    for name in ("a.gif", "a.png", "a.webp"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
        assert read_image(tmp_path / name)[0, 0, 0] > 250
        assert probe(tmp_path / name).kind == "image"


def test_large_images_are_shrunk(tmp_path):
    Image.new("RGBA", (9000, 600), (255, 0, 0, 255)).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png")
    assert pixels.shape == (200, 3000, 3)
    assert (pixels == RED).all()


def png_header(path: Path, width: int, height: int) -> Path:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + b"\0\0\0\xffIDAT"
    )
    return path


@pytest.mark.parametrize(
    ("side", "message"), [(60_000, "decompression bomb"), (8_000, "8000 x 8000; at most 50,000,000")]
)
def test_images_too_large_to_decode(tmp_path, side, message):
    with pytest.raises(InputError, match=message):
        read_image(png_header(tmp_path / "a.png", side, side))


def test_images_that_are_broken(tmp_path):
    whole = tmp_path / "a.jpg"
    Image.linear_gradient("L").save(whole)
    (tmp_path / "b.jpg").write_bytes(whole.read_bytes()[:800])
    with pytest.raises(InputError, match=r"b\.jpg: the image is broken"):
        read_image(tmp_path / "b.jpg")
    for content in (b"", b"a text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"):
        (tmp_path / "c.jpg").write_bytes(content)
        with pytest.raises(InputError, match=r"c\.jpg: not an image of a known format"):
            read_image(tmp_path / "c.jpg")


# Utterances


def test_text():
    assert text_of(Utterance("u", text="Hello", context=("a: Hi",))) == Text("Hello", ("a: Hi",))
    assert text_of(Utterance("u", words=("so", "good"))) == Text("so good", words=("so", "good"))
    assert text_of(Utterance("u", text=" \n")) is None
    assert why_absent(Utterance("u", text=" \n"), "text") == "the text is empty"
    assert why_absent(Utterance("u"), "text") == "no text"
    assert why_absent(Utterance("u", text="Hello"), "text") is None


def test_sound_of_an_utterance(tmp_path):
    video = write(tmp_path / "a.mkv", "mpeg4", "flac", sound=tone(2.0))
    audio = wave(tmp_path / "a.wav", tone(1.0, 16000, 900))
    assert audio_of(Utterance("u", video=video)).seconds == pytest.approx(2.0, abs=0.01)
    assert audio_of(Utterance("u", video=video, audio=audio)).seconds == 1.0
    assert audio_of(Utterance("u", video=video, start=0.5, end=1.75)).seconds == pytest.approx(1.25)
    assert audio_of(Utterance("u", video=video, start=0.5), max_seconds=1).seconds == pytest.approx(1.0)
    assert audio_of(Utterance("u", video=video, start=0.5, end=0.75), max_seconds=1).seconds == pytest.approx(0.25)
    assert audio_of(Utterance("u", audio=audio), rate=8000).rate == 8000
    assert audio_of(Utterance("u", text="Hello")) is None
    assert why_absent(Utterance("u", text="Hello"), "audio") == "no audio or video file"
    assert why_absent(Utterance("u", audio=audio), "audio") is None


def test_pictures_of_an_utterance(tmp_path):
    video = write(tmp_path / "a.mp4", "mpeg4")
    Image.new("RGB", (8, 6), RED).save(tmp_path / "a.png")
    image = frames_of(Utterance("u", video=video, image=tmp_path / "a.png"), fps=5)
    assert image.pixels.shape == (1, 6, 8, 3)
    assert image.times.tolist() == [0.0]
    assert np.allclose(frames_of(Utterance("u", video=video, start=1.0, end=1.4), fps=5).times, [1.0, 1.2])
    assert len(frames_of(Utterance("u", video=video), count=3).times) == 3
    assert frames_of(Utterance("u", text="Hello")) is None
    assert why_absent(Utterance("u", text="Hello"), "image") == "no image or video file"


def test_media_that_are_none():
    with pytest.raises(InputError, match=r"unknown medium 'video'; .*image"):
        why_absent(Utterance("u"), "video")


def test_probe(tmp_path):
    info = probe(write(tmp_path / "a.mp4", "mpeg4", "aac", sound=tone(3.0)))
    assert (info.kind, info.has_audio, info.has_video) == ("video", True, True)
    assert (info.width, info.height, info.rate, info.channels) == (64, 48, 44100, 1)
    assert info.duration == pytest.approx(3.0, abs=0.05)
    assert info.fps == pytest.approx(10, abs=0.1)
    info = probe(wave(tmp_path / "a.wav", tone(0.5), 44100))
    assert (info.kind, info.duration, info.has_video) == ("audio", 0.5, False)


# Real files


@pytest.mark.corpora
def test_every_file_of_the_manifest_behaves_as_expected(corpora_root):
    root = corpora_root / "media"
    manifest = pd.read_csv(root / "manifest.csv", keep_default_na=False)
    wrong = []
    for path, expected in zip(manifest.path, manifest.expected, strict=True):
        outcome = behaviour(root / path)
        # "see name" are SciPy's oddities: those that no decoder reads are 36 and 53 bits wide, or have no data
        odd = ("36bit", "53bit", "early-eof-no-data", "incomplete-chunk")
        wanted = {"see name": "error" if any(name in path for name in odd) else "ok"}.get(expected, expected)
        if outcome not in wanted:
            wrong.append((path, expected, outcome))
    assert wrong == []


def behaviour(path: Path) -> str:
    """ "ok", or "error" for an InputError; whatever else is raised fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if path.parent.name == "image":
                assert read_image(path).size
            else:
                info = probe(path)
                audio, frames = read_audio(path), read_frames(path, count=4)
                assert (audio is not None, frames is not None) == (info.has_audio, info.has_video)
        except InputError:
            return "error"
    return "ok"


@pytest.mark.corpora
def test_one_recording_sounds_the_same_in_every_format(corpora_root):
    folder = corpora_root / "media" / "audio"
    reference = read_audio(folder / "mono16k_s16.wav").samples
    for path in sorted(folder.iterdir()):
        if path.stem in ("silence_2s", "zero_bytes", "text_renamed", "corrupt"):
            continue
        assert same_sound(read_audio(path).samples, reference, least=0.9), path.name


@pytest.mark.corpora
def test_a_silent_real_track_is_absent(corpora_root):
    assert audio_of(Utterance("u", audio=corpora_root / "media" / "audio" / "silence_2s.wav")) is None
    assert audio_of(Utterance("u", video=corpora_root / "media" / "video" / "face_noaudio.mp4")) is None

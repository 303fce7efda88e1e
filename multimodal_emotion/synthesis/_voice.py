"""A small formant synthesiser: a source (glottal pulses and noise) through the resonances of a mouth.

Source: Klatt, "Software for a cascade/parallel formant synthesizer" (1980) for the cascade of resonators; Scherer, "Vocal
communication of emotion: A review of research paradigms" (2003) for what emotions do to a voice.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray as Array

from multimodal_emotion.synthesis._acting import generator, perform
from multimodal_emotion.synthesis._phones import Phone, words

RATE = 16000
"""Samples a second."""

HOP = 80
"""Samples between two settings of the mouth: 5 ms."""

WINDOW = 4 * HOP
SPAN = 8 * HOP


class Manner(NamedTuple):
    """How something is said, against the ordinary voice of the speaker.

    Attributes:
        pitch: semitones above it.
        range: semitones by which accents rise.
        slope: semitones from the beginning to the end.
        tempo: 1 is ordinary.
        energy: decibels above it.
        breath: noise in the voice, 0 to 1.
        tension: 0 is soft, 1 bright and pressed.
        tremor: semitones of trembling, about 6 times a second.
        roughness: irregularity from one pulse to the next, in semitones.
    """

    pitch: float
    range: float
    slope: float
    tempo: float
    energy: float
    breath: float
    tension: float
    tremor: float
    roughness: float


MANNERS = {
    "neutral": Manner(0.0, 2.0, -2.0, 1.0, 0.0, 0.10, 0.45, 0.0, 0.1),
    "calm": Manner(-0.5, 1.2, -1.0, 0.85, -3.0, 0.20, 0.25, 0.0, 0.1),
    "joy": Manner(4.0, 4.5, 0.0, 1.12, 4.0, 0.08, 0.60, 0.0, 0.1),
    "sadness": Manner(-1.5, 1.2, -4.0, 0.78, -6.0, 0.40, 0.10, 0.3, 0.2),
    "anger": Manner(3.5, 3.5, -4.0, 1.15, 8.0, 0.04, 1.00, 0.0, 0.6),
    "fear": Manner(6.0, 1.5, 1.0, 1.30, 1.0, 0.30, 0.55, 0.9, 0.3),
    "disgust": Manner(-2.0, 3.0, -5.0, 0.85, 1.0, 0.12, 0.75, 0.0, 1.0),
    "surprise": Manner(5.0, 6.0, 5.0, 1.0, 3.0, 0.15, 0.50, 0.0, 0.1),
}
ALIKE = (("calm", "sadness"), ("joy", "surprise"), ("anger", "fear"), ("neutral", "disgust"))
SPREAD = Manner(0.8, 0.6, 1.0, 0.06, 1.5, 0.04, 0.08, 0.1, 0.08)


class Speaker(NamedTuple):
    """The body of a voice: its ordinary pitch in hertz; the scale of its formants (a short throat has higher ones)."""

    pitch: float
    scale: float


class Tracks(NamedTuple):
    """What the mouth does, one setting every `HOP` samples."""

    formants: Float[Array, "step 3"]
    voice: Float[Array, " step"]
    noise: Float[Array, " step"]
    centre: Float[Array, " step"]
    width: Float[Array, " step"]
    accent: Float[Array, " step"]


def speak(text: str, emotion: str = "neutral", speaker: str = "", seed: int | str = 0) -> Float[Array, " time"]:
    """Generated speech: it sounds like speech with an emotion, and can at best be half understood.

    Args:
        text: English; other letters are left out.
        emotion: one of `EMOTIONS`.
        speaker: any name; it determines pitch and length of throat.
        seed: another seed, another performance.

    Returns:
        float32 samples at `RATE`, between -1 and 1.

    Raises:
        InputError: there is no such emotion.
    """
    chance = generator("voice", seed, speaker, text)
    manner = Manner(*perform(emotion, MANNERS, ALIKE, SPREAD, chance))
    body = _speaker(speaker)
    tracks = _tracks(text, manner.tempo)
    pitch = _pitch(tracks, manner, body, text.rstrip().endswith("?"), chance)
    voiced = _filter(_source(pitch, tracks, manner, chance), _mouth(tracks.formants * body.scale, manner.tension))
    hiss = _filter(_stretch(tracks.noise) * chance.normal(size=len(pitch)), _gap(tracks.centre, tracks.width))
    level = 10 ** ((manner.energy - 20) / 20)
    sound = level * (voiced / max(np.std(voiced), 1e-6) + 0.5 * hiss) + 0.002 * chance.normal(size=len(pitch))
    return np.tanh(sound).astype(np.float32)


def _speaker(name: str) -> Speaker:
    chance = generator("speaker's voice", name)
    high = chance.random() < 0.5
    return Speaker(
        chance.uniform(170, 215) if high else chance.uniform(95, 130), chance.uniform(0.95, 1.05) + 0.13 * high
    )


def _tracks(text: str, tempo: float) -> Tracks:
    pause = [Phone(0.1, (500, 1400, 2400))]
    spoken = [pause, *words(text), pause]
    phones = [phone for word in spoken for phone in word]
    steps = np.array([max(1, round(phone.seconds / tempo * RATE / HOP)) for phone in phones])
    columns = np.repeat(
        [[*phone.formants, *phone[2:], accent] for phone, accent in zip(phones, _accents(spoken), strict=True)],
        steps,
        axis=0,
    )
    # The tongue is slow and the breath is quick: formants glide over 50 ms, loudness changes within 15 ms.
    slow, quick, slowest = (_smooth(columns, size) for size in (10, 3, 24))
    return Tracks(slow[:, :3], quick[:, 3], quick[:, 4], columns[:, 5], columns[:, 6], slowest[:, 7])


def _accents(spoken: list[list[Phone]]) -> list[float]:
    """1 at the first vowel of each longer word, else 0."""
    accents = []
    for word in spoken:
        first = next((number for number, phone in enumerate(word) if phone.is_vowel), None)
        accents += [float(number == first and len(word) > 3) for number in range(len(word))]
    return accents


def _pitch(
    tracks: Tracks, manner: Manner, body: Speaker, asks: bool, chance: np.random.Generator
) -> Float[Array, " time"]:
    """The pitch of each sample, in hertz."""
    steps = len(tracks.voice)
    place = np.linspace(0, 1, steps)
    tremble = manner.tremor * np.sin(2 * np.pi * (6.0 * place * steps * HOP / RATE + chance.random()))
    wander = 2.0 * _smooth(chance.normal(size=(steps, 1)), 40)[:, 0]
    rough = manner.roughness * chance.normal(size=steps)
    rise = 5.0 * asks * np.clip((place - 0.8) / 0.2, 0, 1)
    accent = 1.6 * manner.range * tracks.accent
    semitones = manner.pitch + manner.slope * (place - 0.5) + accent + tremble + wander + rough + rise
    return body.pitch * 2 ** (_stretch(np.clip(semitones, -12, 18)) / 12)


def _source(
    pitch: Float[Array, " time"], tracks: Tracks, manner: Manner, chance: np.random.Generator
) -> Float[Array, " time"]:
    """Glottal pulses (the derivative of a flow that opens slowly and closes fast) with breath between them."""
    phase = np.cumsum(pitch / RATE) % 1
    tension = float(np.clip(manner.tension, 0, 1))
    opens, closes = 0.6 - 0.25 * tension, 0.3 - 0.2 * tension
    pulse = np.where(phase < opens, np.sin(np.pi * phase / opens) / opens, 0)
    shut = (phase >= opens) & (phase < opens + closes)
    pulse = np.where(shut, -2 / (np.pi * closes) * np.sin(np.pi * (phase - opens) / closes), pulse)
    breath = 3.0 * float(np.clip(manner.breath, 0, 1)) * chance.normal(size=len(pitch))
    return _stretch(tracks.voice) * (pulse + breath)


def _mouth(formants: Float[Array, "step 3"], tension: float) -> Complex[Array, "step frequency"]:
    """The response of five resonators in a row."""
    fixed = np.broadcast_to([3500.0, 4500.0], (len(formants), 2))
    angle = 2 * np.pi * np.concatenate([formants, fixed], axis=1) / RATE
    radius = np.exp(-np.pi * (np.array([70.0, 90.0, 130.0, 200.0, 250.0]) + 60 * (1 - tension)) / RATE)
    first, second = -2 * radius * np.cos(angle), np.broadcast_to(radius**2, angle.shape)
    # The denominators 1 + first/z + second/z^2 multiplied out: a polynomial of 1/z for each step.
    resonators = np.stack([np.ones_like(first), first, second], axis=1)
    product = resonators[..., 0]
    for number in range(1, resonators.shape[2]):
        product = _multiply(product, resonators[..., number])
    delays = np.exp(-2j * np.pi * np.outer(np.arange(product.shape[1]), np.fft.rfftfreq(SPAN)))
    return product.sum(axis=1, keepdims=True) / (product @ delays)


def _multiply(one: Float[Array, "step first"], other: Float[Array, "step 3"]) -> Float[Array, "step degree"]:
    """The products of polynomials, row by row."""
    result = np.zeros((len(one), one.shape[1] + 2))
    for power in range(3):
        result[:, power : power + one.shape[1]] += one * other[:, power : power + 1]
    return result


def _gap(centre: Float[Array, " step"], width: Float[Array, " step"]) -> Float[Array, "step frequency"]:
    """The response to air that hisses through a narrow gap: a hump of the spectrum."""
    frequency = np.fft.rfftfreq(SPAN, 1 / RATE)
    return np.exp(-(((frequency - centre[:, None]) / width[:, None]) ** 2))


def _filter(source: Float[Array, " time"], response: Array) -> Float[Array, " time"]:
    """A filter that changes every `HOP` samples: short-time spectra, multiplied, overlapped and added."""
    steps = len(response)
    padded = np.pad(source, WINDOW - HOP)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:steps]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    shaped = np.fft.irfft(np.fft.rfft(pieces * window, SPAN) * response, SPAN).reshape(steps, -1, HOP)
    result = np.zeros((steps + SPAN // HOP, HOP))
    for number in range(SPAN // HOP):
        result[number : number + steps] += shaped[:, number]
    return result.ravel()[WINDOW - HOP :][: len(source)]


def _smooth(tracks: Float[Array, "step column"], size: int) -> Float[Array, "step column"]:
    """The mean over so many steps around each step."""
    padded = np.pad(tracks, ((size // 2, size - 1 - size // 2), (0, 0)), "edge")
    return np.lib.stride_tricks.sliding_window_view(padded, size, axis=0).mean(axis=-1)


def _stretch(track: Float[Array, " step"]) -> Float[Array, " time"]:
    """From one value every `HOP` samples to one for each sample."""
    return np.interp(np.arange(len(track) * HOP) / HOP, np.arange(len(track)), track)

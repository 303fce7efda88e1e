"""Measurements of a voice, each with a name: pitch, energy, rhythm, voice quality, spectrum."""

import functools

import numpy as np
from jaxtyping import Float, Float32

HOP = 160
FRAME = 1024
LOWEST, HIGHEST = 60.0, 500.0
"""Pitch is looked for between these frequencies, in hertz."""

VOICED = 0.5
"""A frame is voiced where a period resembles the next one with at least this correlation, and is not silent."""

SILENT = 35.0
"""Decibels below the loudest frame from which a frame counts as a pause."""

MFCCS = 20


@functools.cache
def names() -> tuple[str, ...]:
    """The names of all measurements, in order."""
    return tuple(measure(np.zeros(FRAME, dtype=np.float32), 16000))


def measure(samples: Float32[np.ndarray, " time"], rate: int) -> dict[str, float]:
    """All measurements of one clip; those that need a voice are 0 where there is none.

    Args:
        samples: in [-1, 1].
        rate: in hertz.
    """
    import librosa

    samples = np.pad(samples, (0, max(0, 2 * FRAME - len(samples))))
    spectrum = np.abs(librosa.stft(samples, n_fft=FRAME, hop_length=HOP))
    level = 10 * np.log10(np.maximum((spectrum**2).mean(axis=0), 1e-10))
    sounding = level > max(level.max() - SILENT, -90)
    pitch, likeness = track_pitch(samples, rate)
    steps = min(len(pitch), len(level))
    pitch, likeness, level, sounding = pitch[:steps], likeness[:steps], level[:steps], sounding[:steps]
    voiced = sounding & (likeness > VOICED)
    seconds = HOP / rate
    return {
        **_pitch(pitch, voiced, seconds),
        **_energy(level, sounding, seconds),
        **_rhythm(level, voiced, sounding, seconds),
        **_quality(pitch, likeness, level, voiced),
        **_spectrum(spectrum[:, :steps], rate, sounding),
    }


def track_pitch(
    samples: Float32[np.ndarray, " time"], rate: int
) -> tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]]:
    """The pitch of each frame in hertz, and how alike (-1 to 1) two neighbouring periods are there.

    Source: YIN, a fundamental frequency estimator for speech and music, 2002 (JASA 111); and, for the likeness,
    Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio, 1993 (Boersma).
    """
    import librosa

    pitch = librosa.yin(samples, fmin=LOWEST, fmax=HIGHEST, sr=rate, frame_length=FRAME, hop_length=HOP)
    padded = np.pad(samples, FRAME // 2)
    starts = np.arange(len(pitch)) * HOP
    period = np.minimum(np.round(rate / pitch).astype(int), FRAME // 2)
    offsets = np.arange(FRAME // 2)
    here = padded[np.minimum(starts[:, None] + offsets, len(padded) - 1)]
    there = padded[np.minimum(starts[:, None] + offsets + period[:, None], len(padded) - 1)]
    norms = np.sqrt((here**2).sum(axis=1) * (there**2).sum(axis=1))
    return pitch, (here * there).sum(axis=1) / np.maximum(norms, 1e-9)


def _pitch(pitch: np.ndarray, voiced: np.ndarray, seconds: float) -> dict[str, float]:
    # Semitones, because a rise is heard as a ratio.
    tones = 12 * np.log2(pitch[voiced] / 100.0)
    return {
        **_summary("pitch", tones),
        "pitch_slope": _slope(np.flatnonzero(voiced) * seconds, tones),
        "pitch_movement": float(np.abs(np.diff(tones)).mean()) / seconds if len(tones) > 1 else 0.0,
    }


def _energy(level: np.ndarray, sounding: np.ndarray, seconds: float) -> dict[str, float]:
    loud = level[sounding]
    return {
        **_summary("energy", loud),
        "energy_slope": _slope(np.flatnonzero(sounding) * seconds, loud),
        "energy_movement": float(np.abs(np.diff(level)).mean()) / seconds if len(level) > 1 else 0.0,
    }


def _rhythm(level: np.ndarray, voiced: np.ndarray, sounding: np.ndarray, seconds: float) -> dict[str, float]:
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import find_peaks

    speech = np.flatnonzero(sounding)
    inside = slice(speech[0], speech[-1] + 1) if len(speech) else slice(0, 0)
    duration = max((inside.stop - inside.start) * seconds, seconds)
    runs, pauses = _runs(voiced[inside]), _runs(~sounding[inside])
    smooth = uniform_filter1d(level[inside], max(1, round(0.05 / seconds))) if len(speech) else np.zeros(1)
    # A syllable is a bump of the level, 0.1 s from the next and 3 dB above the dip between them.
    ends = smooth.min() - 10
    bumps, _ = find_peaks(np.pad(smooth, 1, constant_values=ends), prominence=3, distance=max(1, round(0.1 / seconds)))
    return {
        "syllable_rate": len(bumps) / duration,
        "voiced_rate": len(runs) / duration,
        "voiced_share": float(voiced[inside].mean()) if len(speech) else 0.0,
        "voiced_seconds": float(runs.mean()) * seconds if len(runs) else 0.0,
        "pause_share": float((~sounding[inside]).mean()) if len(speech) else 0.0,
        "pause_seconds": float(pauses.mean()) * seconds if len(pauses) else 0.0,
        "speech_seconds": duration,
    }


def _quality(pitch: np.ndarray, likeness: np.ndarray, level: np.ndarray, voiced: np.ndarray) -> dict[str, float]:
    both = voiced[1:] & voiced[:-1]
    periods = 1 / pitch
    change = np.abs(np.diff(periods)) / periods[1:]
    harmonic = np.clip(likeness[voiced], 1e-3, 1 - 1e-3)
    return {
        # From frame to frame rather than from period to period: pitch that a melody moves is left out as an outlier.
        "jitter": float(np.median(change[both])) if both.any() else 0.0,
        "shimmer": float(np.median(np.abs(np.diff(level))[both])) if both.any() else 0.0,
        **_summary("harmonics_to_noise", 10 * np.log10(harmonic / (1 - harmonic))),
    }


def _spectrum(spectrum: np.ndarray, rate: int, sounding: np.ndarray) -> dict[str, float]:
    import librosa

    kept = spectrum[:, sounding] if sounding.any() else spectrum
    power = kept**2
    frequencies = librosa.fft_frequencies(sr=rate, n_fft=FRAME)
    share = power / np.maximum(power.sum(axis=0), 1e-10)
    centroid = frequencies @ share
    spread = np.sqrt(np.maximum((frequencies**2) @ share - centroid**2, 0))
    flatness = np.exp(np.log(np.maximum(power, 1e-10)).mean(axis=0)) / np.maximum(power.mean(axis=0), 1e-10)
    low, middle = _band(power, frequencies, 50, 1000), _band(power, frequencies, 1000, 5000)
    peaks = (
        np.maximum(power[frequencies < 2000].max(axis=0), 1e-10),
        np.maximum(power[(frequencies >= 2000) & (frequencies < 5000)].max(axis=0), 1e-10),
    )
    curves = {
        "centroid": centroid / 1000,
        "spread": spread / 1000,
        "flatness": flatness,
        "alpha_ratio": 10 * np.log10(middle / low),
        "hammarberg": 10 * np.log10(peaks[0] / peaks[1]),
    }
    mels = librosa.feature.melspectrogram(S=kept**2, sr=rate, n_mels=40)
    coefficients = librosa.feature.mfcc(S=librosa.power_to_db(mels), n_mfcc=MFCCS)
    speed = np.gradient(coefficients, axis=1) if coefficients.shape[1] > 1 else np.zeros_like(coefficients)
    found: dict[str, float] = {}
    for name, curve in curves.items():
        found |= {f"{name}_mean": float(curve.mean()), f"{name}_deviation": float(curve.std())}
    for number, (row, change) in enumerate(zip(coefficients, speed, strict=True)):
        found |= {
            f"mfcc{number}_mean": float(row.mean()),
            f"mfcc{number}_deviation": float(row.std()),
            f"mfcc{number}_speed": float(change.std()),
        }
    return found


def _summary(name: str, values: np.ndarray) -> dict[str, float]:
    if not len(values):
        values = np.zeros(1)
    low, middle, high = np.percentile(values, [10, 50, 90])
    return {
        f"{name}_mean": float(values.mean()),
        f"{name}_deviation": float(values.std()),
        f"{name}_low": float(low),
        f"{name}_median": float(middle),
        f"{name}_high": float(high),
        f"{name}_range": float(high - low),
    }


def _slope(times: np.ndarray, values: np.ndarray) -> float:
    """Change a second, of a straight line through the values."""
    spread = times - times.mean() if len(times) else times
    total = float((spread**2).sum())
    return float(spread @ values) / total if total > 0 else 0.0


def _runs(flags: np.ndarray) -> np.ndarray:
    """The lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def _band(power: np.ndarray, frequencies: np.ndarray, low: float | int, high: float | int) -> np.ndarray:
    inside = (frequencies >= low) & (frequencies < high)
    return np.maximum(power[inside].sum(axis=0), 1e-10)

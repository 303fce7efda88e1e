"""A recording of any length -> windows, each scored on its own, and one prediction pooled over them."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, count
from pathlib import Path

import numpy as np

from multimodal_emotion import media, speech, transcription
from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.errors import InputError
from multimodal_emotion.inference import Scored, score
from multimodal_emotion.prediction import Prediction, absences, media_of, predictions
from multimodal_emotion.timeline_plot import caption, draw
from multimodal_emotion.transcripts import Cue, is_transcript, read_transcript, text_between, write_srt

WINDOW = 5.0
"""Seconds of a window where there is nothing to follow."""
SHORTEST = 0.1
"""Seconds of a window at least; a rest that is shorter belongs to the window before it."""
TRUSTED = 60.0
"""Seconds that a file may state to last without being looked at."""

Span = tuple[float, float]


def predict_recording(
    trained: TrainedModel,
    utterance: Utterance,
    *,
    window: float | int | None = None,
    hop: float | int | None = None,
    transcribe: str | None = None,
    batch_size: int = 32,
    precision: str = "auto",
    on_error: str = "raise",
) -> Prediction:
    """The timeline of a recording, and one prediction pooled over it: means over the windows, weighted by their length.

    Windows are found, decoded and scored as they come: of a long file only the predictions are held.

    Args:
        trained: a model that decides for each utterance.
        utterance: with `audio` or `video` and no interval, or with a transcript. What has no time of its own (an image,
            a sentence, features) belongs to every window. Of an .srt or .vtt transcript, whose path is given as `text`,
            each window gets the words said in it.
        window, hop: seconds: windows of this length, one every `hop` seconds (None: as `window`). Without `window` they
            follow speech; where there is none, the transcript; where there is neither, they are 5 s long.
        transcribe: "embedded" or the name of a recogniser: makes the text from the sound where none is given.
        batch_size, precision, on_error: see `inference.score`.

    Returns:
        A prediction with `windows`. If nothing was present anywhere, its label is None. `errors` says, for each modality
        of the model that was never present, why.

    Raises:
        InputError: a length that is none; a file that cannot be read; a model that decides for each word.
    """
    _check(trained, utterance, window, hop)
    notes = Notes(on_error)
    cues = read_transcript(utterance.text) if utterance.text and is_transcript(utterance.text) else ()
    spans = _spans(trained, utterance, cues, window, hop, notes)
    said = _said(trained, utterance, cues, transcribe, notes)
    parts = (said(replace(utterance, start=round(start, 3), end=round(end, 3))) for start, end in spans)
    options = {"batch_size": batch_size, "precision": precision, "on_error": on_error}
    pool, windows = Pool(trained), []
    for scored in score(trained, parts, opinions=True, **options):  # type: ignore[arg-type]
        pool.add(scored)
        windows += predictions(trained, [scored])
    (whole,) = predictions(trained, [pool.scored(replace(utterance, text=None) if cues else utterance)])
    heard = transcribe is not None and not utterance.text
    return replace(
        whole,
        errors=_remarks(trained, utterance, whole, windows, notes),
        transcribed=heard and any(item.text for item in windows),
        windows=tuple(replace(item, transcribed=heard and bool(item.text)) for item in windows),
    )


def _remarks(
    trained: TrainedModel, utterance: Utterance, whole: Prediction, windows: Sequence[Prediction], notes: "Notes"
) -> tuple[str, ...]:
    """Why modalities were absent throughout, for which the first window stands, and what else went wrong; each once."""
    first = windows[0] if windows else whole
    where = replace(utterance, start=first.start, end=first.end, text=first.text)
    reasons = list(absences(trained, where, whole.present))
    others = [note for note in [*notes.texts, *whole.errors] if not any(note in reason for reason in reasons)]
    return tuple(dict.fromkeys([*others, *reasons]))


class Notes:
    """What went wrong on the way, where that is no reason to stop."""

    def __init__(self, on_error: str) -> None:
        self.texts: list[str] = []
        self._stop = on_error == "raise"

    def add(self, text: str) -> None:
        """Takes a note."""
        self.texts.append(text)

    @contextmanager
    def instead_of_errors(self) -> Iterator[None]:
        """An `InputError` inside becomes a note (unless errors are wanted) and ends what is inside."""
        try:
            yield
        except InputError as error:
            if self._stop:
                raise
            self.add(str(error))


class Mean:
    """The mean of some values, weighted by seconds."""

    def __init__(self) -> None:
        self._total: np.ndarray | float = 0.0
        self.seconds = 0.0

    def add(self, values: np.ndarray, seconds: float) -> None:
        """Takes in the values of a window."""
        self._total = self._total + seconds * values.astype(np.float64)
        self.seconds += seconds

    def values(self) -> np.ndarray:
        """The mean of what was taken in, which must not be nothing."""
        return np.asarray(self._total / self.seconds)


class Pool:
    """Means over windows, weighted by their length; it holds sums only."""

    def __init__(self, trained: TrainedModel) -> None:
        self._trained = trained
        self._scores = Mean()
        self._opinions: dict[str, Mean] = {}
        self._dimensions = Mean()
        self._shares: dict[str, float] = {}
        self._errors: dict[str, None] = {}

    def add(self, window: Scored) -> None:
        """Takes in a window. One with nothing present has no say, a modality has none where it is absent."""
        self._errors |= dict.fromkeys(window.errors)
        seconds = (window.utterance.end or 0.0) - (window.utterance.start or 0.0)
        if window.present:
            self._scores.add(window.scores, seconds)
        if window.dimensions is not None:
            self._dimensions.add(window.dimensions, seconds)
        for name, scores in window.opinions.items():
            self._opinions.setdefault(name, Mean()).add(scores, seconds)
        for name in window.present:
            # where it is alone, a modality decides everything
            self._shares[name] = self._shares.get(name, 0.0) + seconds * window.shares.get(name, 1.0)

    def scored(self, utterance: Utterance) -> Scored:
        """The means, as if of one utterance."""
        present = tuple(name for name in self._trained.modalities if name in self._shares)
        several = len(self._trained.modalities) > 1
        return Scored(
            utterance,
            scores=self._scores.values() if present else np.full(self._trained.task.outputs, np.nan),
            present=present,
            errors=tuple(self._errors),
            opinions={name: mean.values() for name, mean in self._opinions.items()},
            shares={name: self._shares[name] / self._scores.seconds for name in present} if several else {},
            dimensions=self._dimensions.values() if self._dimensions.seconds else None,
        )


def fixed_windows(seconds: float, window: float | int, hop: float | int) -> Iterator[Span]:
    """Windows of a fixed length over a recording; the last one ends where the recording does.

    Args:
        seconds: length of the recording.
        window, hop: length of a window, and from one's beginning to the next one's, in seconds.

    Yields:
        The beginning and the end of a window, in seconds.
    """
    start, number = 0.0, 0
    while start < seconds - SHORTEST * bool(number):
        last = start + window > seconds - SHORTEST
        yield start, seconds if last else start + window
        if last:
            return
        number += 1
        start = number * float(hop)


def _check(trained: TrainedModel, utterance: Utterance, window: float | int | None, hop: float | int | None) -> None:
    if trained.words:
        raise InputError(
            f"utterance {utterance.id}: it is a recording, and the model decides for each word of a sentence"
        )
    if hop is not None and window is None:
        raise InputError(f"hop is {hop} without a window; give both, in seconds")
    for name, value in (("window", window), ("hop", hop)):
        if value is not None and not SHORTEST <= value < math.inf:
            raise InputError(f"{name} is {value}; expected seconds, at least {SHORTEST}")


def _spans(
    trained: TrainedModel,
    utterance: Utterance,
    cues: Sequence[Cue],
    window: float | int | None,
    hop: float | int | None,
    notes: Notes,
) -> Iterator[Span]:
    """The windows that were asked for, or else those of the first thing that there is to follow."""
    path = utterance.audio or utterance.video
    listens = bool({"audio", "text"} & set(media_of(trained).values()))
    ways: list[Iterator[Span]] = [_over_all(utterance, cues, window or WINDOW, hop or window or WINDOW)]
    if window is None:
        ways.insert(0, ((cue.start, cue.end) for cue in cues))
    if window is None and path is not None and listens:
        ways.insert(0, _over_speech(path))
    for way in ways:
        found = False
        with notes.instead_of_errors():
            for span in way:
                found = True
                yield span
        if found:
            return


def _over_speech(path: Path) -> Iterator[Span]:
    """Windows of speech, whose margins end where the file does."""
    length = media.probe(path).duration or math.inf
    for start, end in speech.windows(path):
        yield start, min(end, length) if start < length else end


def _over_all(utterance: Utterance, cues: Sequence[Cue], window: float | int, hop: float | int) -> Iterator[Span]:
    """Fixed windows until the last medium ends."""
    files = [path for path in (utterance.audio, utterance.video) if path is not None]
    ends = [_end(path) for path in files] or [cue.end for cue in cues]
    yield from fixed_windows(max(ends), window, hop)


def _end(path: Path) -> float:
    """The second at which a file ends. One that states more than it holds would have windows without end."""
    low, high = 0.0, media.probe(path).duration or 0.0
    if high <= TRUSTED or _holds(path, high - 1):
        return high
    while high - low > 1:
        middle = (low + high) / 2
        low, high = (middle, high) if _holds(path, middle) else (low, middle)
    return high


def _holds(path: Path, second: float) -> bool:
    """Whether there is anything in the second after this one."""
    end = second + 1
    return bool(media.read_frames(path, second, end, count=1) or media.read_audio(path, start=second, end=end))


def _said(
    trained: TrainedModel, utterance: Utterance, cues: Sequence[Cue], transcribe: str | None, notes: Notes
) -> Callable[[Utterance], Utterance]:
    """What gives a window its text."""
    if cues:
        return lambda window: replace(window, text=text_between(cues, window.start or 0.0, window.end or 0.0))
    if utterance.text or transcribe is None:
        return lambda window: window
    if "text" not in media_of(trained).values():
        notes.add("the sound was not transcribed: the model takes no text")
        return lambda window: window
    transcription.recogniser(transcribe)  # one that is not there is told before anything else is done
    return partial(_hear, transcribe, notes)


def _hear(recogniser: str, notes: Notes, window: Utterance) -> Utterance:
    """Window by window, so that each gets what is said in it and no more."""
    with notes.instead_of_errors():
        audio = media.audio_of(window)
        heard = [] if audio is None else transcription.transcribe(audio, recogniser)
        return replace(window, text=" ".join(cue.text for cue in heard) or None)
    return window


# --------------------------------------------------------------------------------------------------- files of a timeline


@contextmanager
def timeline_writer(path: str | Path) -> Iterator[Callable[[Prediction], None]]:
    """A function that writes the timeline of each recording it is given.

    One recording goes to `path`. Of several, each goes to a file of its own with the id of the recording before the suffix:
    out.interview.mp4.png. Predictions without times (of sentences, pictures) have no timeline and are passed over.

    Args:
        path: an .srt file, one cue for each window, or a .png file, a picture.

    Raises:
        InputError: at the end, if nothing had times.
    """
    write = {".srt": write_cues, ".png": draw}[Path(path).suffix]
    writer = _OneOrMany(Path(path), write)
    yield writer.add
    writer.close()


def write_cues(path: str | Path, prediction: Prediction) -> None:
    """Writes a timeline as subtitles: what was decided in each window, and from what."""
    windows = prediction.windows or (prediction,)
    write_srt(path, (Cue(item.start or 0.0, item.end or 0.0, caption(item)) for item in windows))


class _OneOrMany:
    """Holds the first prediction until it is known whether there are more, which decides the name of its file."""

    def __init__(self, path: Path, write: Callable[[Path, Prediction], None]) -> None:
        self._path, self._write = path, write
        self._first: Prediction | None = None
        self._names: set[str] = set()

    def add(self, prediction: Prediction) -> None:
        if not prediction.windows and prediction.end is None:
            return
        if self._first is None and not self._names:
            self._first = prediction
            return
        for item in (self._first, prediction):
            if item is not None:
                self._write(self._path.with_name(self._name(item)), item)
        self._first = None

    def close(self) -> None:
        if self._first is not None:
            self._write(self._path, self._first)
        elif not self._names:
            raise InputError(f"--output {self._path}: nothing here has a timeline; write .csv or .jsonl")

    def _name(self, prediction: Prediction) -> str:
        """The id as a part of a file name that nothing had yet."""
        plain = re.sub(r"[^\w.-]+", "_", prediction.id).strip(".") or "recording"
        numbered = (f"{plain}.{number}" for number in count(2))
        name = next(name for name in chain([plain], numbered) if name not in self._names)
        self._names.add(name)
        return f"{self._path.stem}.{name}{self._path.suffix}"

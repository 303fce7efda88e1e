"""Features of a frozen encoder: extracting them from sound files, and an epoch that has them already."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import torch
from _measure import Row, compare, corpus, in_turns, main, ratio, share
from _work import settings_of_sound

from multimodal_emotion import runs
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.encoders._embedded import embedded
from multimodal_emotion.extraction import extract
from multimodal_emotion.loading import Rows
from multimodal_emotion.tasks._base import Task
from multimodal_emotion.training import Fit

RATE, SECONDS = 16000, 30


def rows() -> Iterable[Row]:
    """Extraction against one clip at a time; the second epoch against the first."""
    config = settings_of_sound(str(corpus("ravdess")))
    found = load_corpus("ravdess", config.corpus.root)
    clips = list(found.utterances("train"))[: share(300)]
    task = runs.task_for(config, found)
    encoder = runs.assemble(config, task, clips).model.encoder("audio")

    def ours() -> float:
        return len(extract(encoder, "audio", clips))

    yield compare(
        f"extract features of {len(clips)} clips of 4 s: decode, Whisper tiny's encoder",
        "librosa.load, padded to 30 s, a clip at a time",
        ours,
        one_by_one([clip.audio for clip in clips if clip.audio is not None], 6),
        least=8.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        epochs = Epochs(config, task, clips, Path(folder))
        taken = in_turns(
            {"first": epochs.first, "second": epochs.second, "later": epochs.of_a_later_training}, warm=False
        )
    work = f"an epoch on {len(clips)} clips with a frozen encoder, the features being there"
    yield ratio(work, "the first epoch, which computes them", taken["second"], taken["first"], least=100.0)
    yield ratio(f"{work} in the cache", "the same", taken["later"], taken["first"])


class Epochs:
    """Epochs of our training, the first of which computes the features."""

    def __init__(self, config: Config, task: Task, clips: Sequence[Utterance], folder: Path) -> None:
        self.config, self.task, self.clips = config, task, clips
        self.folders: Iterator[Path] = (folder / str(number) for number in range(99))

    def first(self) -> float:
        """With an empty cache."""
        self.cache = next(self.folders)
        return self.of_a_later_training()

    def of_a_later_training(self) -> float:
        """With what is in the cache; files are read once more, since their content is the key."""
        trained = runs.assemble(self.config, self.task, self.clips)
        encoder = trained.model.encoder("audio")
        encoder.freeze()
        found = extract(encoder, "audio", self.clips, cache=self.cache)
        encoder.fit(runs._as_sequences(found))
        rows = Rows(self.clips, trained.preparations, self.task, features={"audio": found})
        self.fit = Fit(trained, rows, None, self.config.training, progress=False)
        self.fit.run_epoch(0)
        return len(self.clips)

    def second(self) -> float:
        """The next epoch of the same training."""
        self.fit.run_epoch(1)
        return len(self.clips)


def one_by_one(paths: Sequence[Path], count: int) -> Callable[[], float]:
    """What a script does without further thought: decode, pad to 30 seconds, encode, one clip after the other."""
    import librosa
    from transformers import WhisperFeatureExtractor, WhisperModel

    folder = str(embedded("whisper-tiny.en"))
    model = WhisperModel.from_pretrained(folder, dtype=torch.float32).get_encoder().eval()
    extractor = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)
    source = cycle(paths)

    @torch.inference_mode()
    def run() -> float:
        for path in islice(source, count):
            samples, _ = librosa.load(path, sr=RATE)
            inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features
            model(inputs, output_hidden_states=True)
        return count

    return run


if __name__ == "__main__":
    main(rows)

"""Peak memory, each of a process of its own: of a long video against a short one, of a large corpus against a small one."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from _measure import Row, alone, corpus, main, share
from _video import clips, repeated, small
from _work import UTTERANCES, meld, our_training, settings, settings_of_sound

from multimodal_emotion import prediction, runs
from multimodal_emotion.corpora import load_corpus
from multimodal_emotion.extraction import extract
from multimodal_emotion.shipped import pretrained

TIMES = 20
"""How much larger the large corpus is."""


def rows() -> Iterable[Row]:
    """Each row is a ratio of two peaks; the processes do nothing else."""
    corpus("meld"), corpus("ravdess")
    few = share(500)
    small_text = alone("memory", "trained", few)
    # What grows with the number of rows, and what with the longest of them: the first 500 are not the longest.
    for different in (few, min(TIMES * few, UTTERANCES)):
        yield peaks(
            f"peak memory of training text on {TIMES * few} utterances, {different} of them different",
            f"{few} utterances",
            alone("memory", "trained", TIMES * few, different),
            small_text,
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = max(1, share(300) // TIMES)
        yield peaks(
            f"peak memory of extracting and keeping features of {TIMES * few} clips",
            f"{few} clips",
            alone("memory", "extracted", TIMES * few, folder / "many"),
            alone("memory", "extracted", few, folder / "few"),
        )
        # Small pictures, few a second: the length is what matters here, and two hours should not take one.
        piece = small(repeated(clips(), 60, folder / "piece.mp4"), folder / "small.mp4")
        short, long = repeated([piece], 120, folder / "short.mp4"), repeated([piece], share(7200), folder / "long.mp4")
        yield peaks(
            f"peak memory of predicting a video of {share(7200) / 60:.0f} minutes",
            "a video of 2 minutes",
            alone("memory", "predicted", long),
            alone("memory", "predicted", short),
        )


def peaks(work: str, against: str, large: dict[str, Any], small_: dict[str, Any]) -> Row:
    """The row of two processes."""
    details = {
        "MB": round(large["peak_mb"]),
        "MB of the other": round(small_["peak_mb"]),
        "done": large["done"],
        "seconds": round(large["seconds"], 1),
    }
    return Row(work, against, large["peak_mb"] / small_["peak_mb"], most=1.2, details=details)


def predicted(path: str) -> dict[str, Any]:
    """Predicts a video."""
    (found,) = prediction.predict_utterances(pretrained(), prediction.sources([path], "text"))
    return {"done": len(found.windows)}


def extracted(count: str, folder: str) -> dict[str, Any]:
    """Extracts features of so many clips of RAVDESS."""
    config = settings_of_sound(str(corpus("ravdess")))
    found = load_corpus("ravdess", config.corpus.root)
    utterances = list(found.utterances("train"))[: int(count)]
    encoder = runs.assemble(config, runs.task_for(config, found), utterances).model.encoder("audio")
    return {"done": len(extract(encoder, "audio", utterances, cache=Path(folder)))}


def trained(count: str, different: str = str(UTTERANCES)) -> dict[str, Any]:
    """Trains an epoch on so many utterances of MELD, over and over the same first ones, so that none is longer than those."""
    config = settings()
    utterances, task = meld(config)
    utterances = utterances[: int(different)]
    repeated_ = (utterances * -(-int(count) // len(utterances)))[: int(count)]
    fit = our_training(config, repeated_, task)
    fit.run_epoch(0)
    return {"done": len(repeated_), "epoch": fit.epochs[0].seconds}


if __name__ == "__main__":
    main(rows)

"""Predicting a video of ten minutes: sound and face, with the model that ships."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from _measure import THREADS, Row, main, share, timed
from _video import clips, repeated

from multimodal_emotion import media, prediction
from multimodal_emotion.shipped import pretrained


def rows() -> Iterable[Row]:
    """Seconds of video for each second of ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = repeated(clips(), share(600), Path(folder) / "video.mp4")
        trained = pretrained()
        seconds = media.probe(path).duration or 0.0
        windows = 0

        def ours() -> float:
            nonlocal windows
            (found,) = prediction.predict_utterances(trained, prediction.sources([str(path)], "text"))
            windows = len(found.windows)
            return seconds

        taken = [timed(ours) for _ in range(3)]
    # By processor seconds: what an idle core would need. By the clock it depends on who else is at work.
    speeds = [1 / each.processor for each in taken]
    details = {
        "by the clock": round(1 / median(each.clock for each in taken), 1),
        "windows": windows,
        "turns": len(taken),
        "threads": THREADS,
    }
    work = f"predict a video of {seconds / 60:.0f} minutes, sound and face, by processor seconds"
    yield Row(work, "real time", median(speeds), min(speeds), max(speeds), least=6.0, details=details)


if __name__ == "__main__":
    main(rows)

"""The whole job on the starter corpus: train on raw files, what each modality is worth, predict a video, draw its timeline."""

import json
import time
from pathlib import Path
from typing import Any

from multimodal_emotion import api, prediction, runs
from multimodal_emotion.corpora import load_corpus, table
from multimodal_emotion.datasets._base import Corpus
from multimodal_emotion.evaluation import classification_report
from multimodal_emotion.files import write_text
from multimodal_emotion.runs import Run
from multimodal_emotion.synthesis import write_scene
from multimodal_emotion.transcripts import write_srt

SENTENCES = (
    "You really thought of everything, this is the best birthday I have had in years!",
    "They cancelled the last train again and nobody even told us.",
    "There is somebody downstairs. I heard the door.",
)
DIALOGUE = "allergic"
"""Five sentences of two speakers whom training has not met."""


def demo(output: str | Path, *, seed: int = 0, progress: bool = True) -> None:
    """Runs the demonstration and prints what it does; everything it makes lies in `output`.

    Args:
        output: a new folder.
        seed: of training and of the generated media.
        progress: whether to show progress on standard error.

    Raises:
        InputError: the folder is in use, or the packaged weights are not installed.
    """
    folder = Path(output)
    runs.refuse_used(folder)
    began = time.perf_counter()
    _say("1. Text: fine-tune a packaged sentence encoder on 280 sentences of the starter corpus")
    text = _text(folder / "text", seed, progress)
    _say("2. The same sentences as generated speech and drawn faces (real .wav and .mp4 files, no real people)")
    corpus = load_corpus("starter", media=str(folder / "media"), seed=seed)
    three = api.train(
        "starter",
        output=folder / "trimodal",
        preset="embedded",
        options={"media": str(folder / "media"), "seed": seed},
        modalities=("audio", "image", "text"),
        seed=seed,
        epochs=12,
        settings=["model.modality_dropout=0.3", "training.patience=5"],
        progress=progress,
    )
    _say("3. What each subset of the modalities is worth (validation, accuracy)")
    print(subsets(three, corpus))
    _say("4. Predict a video: a dialogue of the test split, with a transcript")
    said = [utterance for utterance in corpus.utterances("test") if utterance.dialogue == DIALOGUE]
    scene, words = folder / f"{DIALOGUE}.mp4", folder / f"{DIALOGUE}.srt"
    write_srt(words, write_scene(said, scene, seed))
    found = prediction.predict(three.trained, scene, text=str(words))
    prediction.write([found], [folder / "timeline.png", folder / "timeline.jsonl"], as_json=False)
    print(f"labelled: {', '.join(str(utterance.label) for utterance in said)}")
    print(prediction.line(found))
    _say("5. Predict sentences")
    for item in prediction.predict(text.trained, list(SENTENCES)):
        print(prediction.line(item))
    seconds = time.perf_counter() - began
    _say(f"done in {seconds:.0f} s: runs, predictions and {folder / 'timeline.png'} are in {folder}")


def subsets(run: Run, corpus: Corpus) -> str:
    """A table of the primary metric on validation for every subset of a run's modalities."""
    names = run.trained.modalities
    rows: list[tuple[str, ...]] = [(*names, run.report["primary_metric"])]
    report = runs.evaluate(run.trained, corpus, split="validation", every_subset=True)
    found = {subset: figures[report["primary_metric"]] for subset, figures in report["subsets"].items()}
    for subset, value in found.items():
        rows.append((*("x" if name in subset.split("+") else "" for name in names), f"{value:.3f}"))
    write_text(run.folder / "subsets.json", json.dumps(found, indent=1) + "\n")
    return table(rows)


def _text(folder: Path, seed: int, progress: bool) -> Run:
    run = api.train(
        "starter", output=folder, preset="embedded", modalities=["text"], seed=seed, epochs=8, progress=progress
    )
    config: Any = run.config
    before = runs.untrained_report(config)
    labels = run.report["labels"]
    print("validation, before:\n" + classification_report(before["splits"]["validation"], labels))
    print("validation, after:\n" + classification_report(run.report["splits"]["validation"], labels))
    return run


def _say(line: str) -> None:
    print(f"\n{line}", flush=True)

"""The model card of a run, in Markdown."""

from collections.abc import Mapping
from typing import Any

from multimodal_emotion.checkpoint import TrainedModel, versions
from multimodal_emotion.datasets._base import Corpus


def model_card(trained: TrainedModel, report: Mapping[str, Any], corpus: Corpus) -> str:
    """What the model is, what it was trained on, how good it is, what it must not be used for."""
    task = trained.task
    figures = report["splits"].get("validation", {})
    interval = figures.get("ci95", {}).get(task.primary_metric)
    shown = f"{figures.get(task.primary_metric, float('nan')):.4f}"
    if interval:
        shown += f" (95 % interval {interval[0]:.4f} to {interval[1]:.4f})"
    encoders = "\n".join(
        f"- {name}: `{given['type']}`, {given.get('checkpoint', 'no checkpoint')}"
        for name, given in trained.settings.encoders.items()
    )
    duplicates = (report.get("leakage") or {}).get("duplicates", {}).get("validation", {}).get("count", 0)
    software = ", ".join(f"{name} {number}" for name, number in versions().items())
    return f"""# Emotion model trained on {corpus.title}

Task: {task.name} over {", ".join(task.labels)}.

## Parts

{encoders}
- fusion: `{(trained.settings.fusion or {}).get("type", "single" if len(trained.modalities) == 1 else "concat")}`

## Data

{corpus.title}: {corpus.size}; {corpus.language}; {corpus.elicitation}. Licence: {corpus.licence}
The licence of the data may restrict what the model may be used for.

Citation: {corpus.citation}

## Figures

Selected on the validation split; the test split was not read in training. Seed {report["seed"]}.

Validation {task.primary_metric}: {shown} on {figures.get("n", 0)} utterances, of which {duplicates} stand in the training
split too (report.json has the figures without them).

## Use

For research and for tools whose users know that an emotion label is a guess about how something would be perceived, not a
fact about a person. Not for decisions about people: hiring, schooling, policing, credit, health or insurance, nor for
inferring emotions of people at work or in education. It was measured on the corpus above only; other languages, speakers,
recording conditions and kinds of text are unknown until you measure them.

## Software

{software}
"""

"""What a model got right: the figures of a split with their intervals, report.json, predictions, tables to read."""

from multimodal_emotion.evaluation._outcome import Outcome, evaluate_outcome, predictions
from multimodal_emotion.evaluation._predictions import read_predictions, write_predictions
from multimodal_emotion.evaluation._report import jsonable, report, write_json
from multimodal_emotion.evaluation._tables import classification_report, render

__all__ = [
    "Outcome",
    "classification_report",
    "evaluate_outcome",
    "jsonable",
    "predictions",
    "read_predictions",
    "render",
    "report",
    "write_json",
    "write_predictions",
]

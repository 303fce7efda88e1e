"""Tracking: what TensorBoard or Weights & Biases get of a run: configuration, curves, report and pictures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_emotion.config import Config
from multimodal_emotion.errors import InputError


def loggers(config: Config, folder: Path) -> dict[str, Any]:
    """The logger that a configuration names, by its name, as Lightning has them; it gets the configuration.

    Args:
        config: `training.logger` says which.
        folder: of the run, where its files go.

    Raises:
        InputError: Weights & Biases is wanted, and not installed.
    """
    if config.training.logger == "tensorboard":
        from lightning.fabric.loggers import TensorBoardLogger

        board = TensorBoardLogger(folder, name="tensorboard", version="")
        board.experiment.add_text("configuration", _indented(config.to_yaml()))
        return {"tensorboard": board}
    if config.training.logger == "wandb":
        require("wandb")
        from lightning.pytorch.loggers import WandbLogger

        logger = WandbLogger(project="multimodal_emotion", name=folder.name, save_dir=folder, config=config.to_dict())
        return {"wandb": logger}
    return {}


def require(logger: str) -> None:
    """Refuses a logger whose package is not installed.

    Raises:
        InputError: it is not.
    """
    if logger == "wandb":
        try:
            import wandb  # noqa: F401
        except ImportError:
            raise InputError(
                "training.logger wandb needs Weights & Biases: pip install 'multimodal-emotion[wandb]'"
            ) from None


def close(opened: Mapping[str, Any], folder: Path, report: Mapping[str, Any]) -> None:
    """Hands the loggers what a finished run has, its report and its pictures, and ends them.

    Args:
        opened: from `loggers`.
        folder: of the run.
        report: of the run; the figures of validation, those of the kept epoch, are also handed over one by one.
    """
    text = json.dumps(report, indent=1, ensure_ascii=False)
    figures = {
        f"validation/{name}": value
        for name, value in report["splits"].get("validation", {}).items()
        if isinstance(value, int | float)
    }
    pictures = sorted(folder.glob("*.png"))
    for name, logger in opened.items():
        if name == "wandb":
            for picture in pictures:
                logger.log_image(picture.stem, [str(picture)])
            logger.experiment.summary.update({**figures, "report": text})
            logger.experiment.finish()
        else:
            board = logger.experiment
            for figure, value in figures.items():
                board.add_scalar(figure, value)
            board.add_text("report", _indented(text))
            for picture in pictures:
                board.add_image(picture.stem, _pixels(picture), dataformats="HWC")
        logger.finalize("success")


def _indented(text: str) -> str:
    """Text that a board shows as it is: TensorBoard reads Markdown, in which four spaces begin a verbatim line."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def _pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))

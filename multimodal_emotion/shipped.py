"""The model that ships with the package: what was trained of it, on top of encoders that other packages carry.

`python -m multimodal_emotion.shipped RUN` makes it from a run (see `make pretrained`).
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from multimodal_emotion import checkpoint
from multimodal_emotion import config as configuration
from multimodal_emotion.checkpoint import CONFIG, WEIGHTS, TrainedModel
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.files import write_text

FOLDER = Path(__file__).parent / "_pretrained"
CARD = Path(__file__).parents[1] / "docs" / "recipes" / "pretrained.md"
"""The card of the model, in a checkout."""
PRECISION = torch.float16
"""Of the shipped weights: rounding to it changes no figure by more than a thousandth, and halves the file."""


def pretrained(folder: str | Path = FOLDER) -> TrainedModel:
    """The model that ships with the package, for any subset of text, sound and face: seven emotions.

    Its encoders come from the packages of the extra `embedded`; no model hub is asked. See `MODEL_CARD.md` beside it for
    what it was trained on, what it is good at, and what it must not be used for.

    Args:
        folder: where what was trained lies.

    Raises:
        InputError: the packages are not installed, or are not those that the model was trained on.
    """
    if not (Path(folder) / CONFIG).is_file():
        raise InputError(f"{folder}: the pretrained model is not there; `make pretrained` makes it")
    return checkpoint.load(folder)


def opened(model: TrainedModel | str | Path) -> TrainedModel:
    """A model as it is, "pretrained", or the model of a folder.

    Raises:
        InputError: see `pretrained` and `checkpoint.load`.
    """
    if isinstance(model, TrainedModel):
        return model
    return pretrained() if str(model) == "pretrained" else checkpoint.load(model)


def architecture(model: str | Path) -> tuple[ModelConfig, dict[str, Any]]:
    """What "pretrained" or the model of a folder is built from, and how utterances are read for it; no weights are read.

    Raises:
        InputError: see `checkpoint.architecture`.
    """
    return checkpoint.architecture(FOLDER if str(model) == "pretrained" else model)


def ship(run: str | Path, folder: str | Path = FOLDER) -> Path:
    """Writes what was trained in a run whose encoders are packaged, in half precision; everything else is left out.

    Args:
        run: a run folder.
        folder: is replaced in one step.

    Raises:
        InputError: no run there, or one of its encoders is not packaged.
    """
    config = configuration.read(Path(run) / "config.yaml")
    trained = checkpoint.load(run)
    for name, given in config.model.encoders.items():
        if not str(given.get("checkpoint", "embedded")).startswith("embedded"):
            raise InputError(f"{run}: encoder {name} is {given['checkpoint']!r}; only packaged weights can be left out")
    settings = replace(config.model, initial=None, dimensions=trained.settings.dimensions)
    about = {key: value for key, value in trained.about.items() if key != "corpus"}
    checkpoint.save_adapter(replace(trained, settings=settings, about=about), folder, precision=PRECISION)
    place = Path(folder)
    (place / WEIGHTS).chmod(0o644)
    card = CARD if CARD.is_file() else Path(run) / "MODEL_CARD.md"
    write_text(place / "MODEL_CARD.md", card.read_text(encoding="utf-8"))
    return place


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m multimodal_emotion.shipped RUN")
    print(ship(sys.argv[1]))

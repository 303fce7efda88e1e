"""Loading parts of a checkpoint through transformers: quietly, without code or pickles from it, with errors of one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import logging

from multimodal_emotion.errors import InputError


def load_part(function: Callable[..., Any], place: str, **given: Any) -> Any:
    """What a `from_pretrained` function gives for a checkpoint that `resolve` found.

    Raises:
        InputError: it cannot be loaded; the first line of the reason is kept.
    """
    try:
        with quietly():
            return function(place, trust_remote_code=False, **given)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(f"checkpoint {place} cannot be loaded: {reason[:300]}") from error


@contextmanager
def quietly() -> Iterator[None]:
    """Keeps transformers from writing reports and progress bars."""
    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_config(place: str) -> Any:
    """The configuration of a checkpoint."""
    return load_part(AutoConfig.from_pretrained, place)


def load_backbone(place: str, config: Any, weights: bool, allowed: tuple[str, ...] = ("pooler",)) -> PreTrainedModel:
    """The model of a checkpoint, in float32: with its weights, from safetensors only, or of that architecture only.

    Args:
        place: what `resolve` gave.
        config: the configuration, which may have been changed.
        weights: False leaves the initialisation.
        allowed: parameters whose name starts so may be missing in the checkpoint.

    Raises:
        InputError: weights are missing that the architecture has.
    """
    if not weights:
        return AutoModel.from_config(config, dtype=torch.float32)
    model, info = load_part(
        AutoModel.from_pretrained,
        place,
        config=config,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(allowed))
    if missing:
        raise InputError(f"checkpoint {place} has no weights for {missing[0]!r} and {len(missing) - 1} more")
    return model

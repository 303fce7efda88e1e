"""Pages of the site that are made from what they describe: commands, configuration, names, notebooks, the README."""

import argparse
import dataclasses
import inspect
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from griffe import Docstring, DocstringSectionAttributes, DocstringSectionParameters, Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

import multimodal_emotion
from multimodal_emotion import cli, config, registry

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "index.md": "README.md",
    "zh-CN.md": "README.zh-CN.md",
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
    "faces.md": "multimodal_emotion/encoders/_expressions/README.md",
}
"""Pages whose text lies outside docs/, by page."""
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
GROUP = re.compile(r"^( +)(\w+(?:, \w+)+): (.*(?:\n\1 +.*)*)", re.MULTILINE)
"""An entry of a docstring for several names: "eps, betas: of AdamW"."""
WIDTH = "100"
"""Letters in a line of the help of a command."""


def on_config(settings: MkDocsConfig) -> None:
    """A page of docs/ that `nav` does not place stands at the end of the guides."""
    placed = repr(settings.nav)
    (guides,) = (entry["Guides"] for entry in settings.nav or () if "Guides" in entry)
    guides += [page.name for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in placed]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds the pages that are made here."""
    pages: dict[str, str | bytes] = {page: (ROOT / source).read_text("utf-8") for page, source in ELSEWHERE.items()}
    pages["reference/commands.md"] = commands()
    pages["reference/configuration.md"] = configuration()
    pages["reference/names.md"] = names()
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        pages |= {f"notebooks/{name}": content for name, content in as_page(notebook).items()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links as they hold in the repository become links as they hold on the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(ELSEWHERE.get(here, f"docs/{here}"))
    moved = {source: target for target, source in ELSEWHERE.items()}

    def follow(link: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join(folder, link[1]))
        inside = moved.get(place, place.removeprefix("docs/"))
        if place == inside and place not in moved:
            return link[1]  # not on the site: the strict build complains
        return posixpath.relpath(inside, posixpath.dirname(here) or ".")

    markdown = LINK.sub(follow, markdown)
    return markdown + further(markdown) if here == "reference/python.md" else markdown


def further(markdown: str) -> str:
    """The public names that the reference does not place, for its end."""
    homes = {name: f"multimodal_emotion.{home}.{name}" for name, home in multimodal_emotion._HOMES.items()}
    return "\n\n".join(["", *(f"::: {home}" for home in homes.values() if f"::: {home}\n" not in f"{markdown}\n")])


def commands() -> str:
    """The help of every command."""
    os.environ["COLUMNS"] = WIDTH
    parser = cli._parser()
    (verbs,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    parts = ["# Commands", "The same as `multimodal-emotion COMMAND --help`.", fenced(parser.format_help())]
    for name, verb in verbs.choices.items():
        parts += [f"## {name}", fenced(verb.format_help())]
    return "\n\n".join(parts)


def configuration() -> str:
    """Every key of the configuration, from its dataclasses."""
    parts = [
        "# Configuration",
        "What `train CONFIG.yaml` reads, `--set KEY=VALUE` changes and every run keeps as `config.yaml`. "
        "An unknown key or a value of another type is refused before anything is read.",
    ]
    for section in dataclasses.fields(config.Config):
        if not dataclasses.is_dataclass(section.type):
            parts += [f"## {section.name}", table(["key", "default", "what"], [_seed(section)])]
            continue
        about, described = documented(section.type, DocstringSectionAttributes)
        rows = [_key(section.name, field, described) for field in dataclasses.fields(section.type)]
        parts += [f"## {section.name}", about, table(["key", "default", "what"], rows)]
    return "\n\n".join(parts)


def _seed(field: dataclasses.Field) -> list[str]:
    return [f"`{field.name}`", f"`{field.default}`", "of initialisation, order, dropout, draws and augmentation"]


def _key(section: str, field: dataclasses.Field, described: Mapping[str, str]) -> list[str]:
    name = f"{section}.{field.name}"
    made = field.default_factory
    default = field.default if made is dataclasses.MISSING else made()
    about = described[field.name]
    choices = config.CHOICES.get(name, ())
    if not all(f'"{choice}"' in about for choice in choices):
        about += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    return [f"`{name}`", f"`{_yaml(default)}`", about]


def _yaml(value: Any) -> str:
    return {"None": "null", "True": "true", "False": "false", "": '""'}.get(str(value), str(value))


def names() -> str:
    """Every name that a configuration may use, with its settings."""
    parts = [
        "# Names",
        "A name is a file: `encoders/bert.py` is the encoder `bert`. Each takes these settings, given beside its name "
        "(`model.fusion={type: late, how: product}`). Code of your own is named `module:Class`.",
    ]
    for room in registry.BASES:
        parts.append(f"## {room}")
        for name in registry.names(room):
            parts += [f"### {name}", *_named(registry.find(room, name))]
    return "\n\n".join(parts)


def _named(cls: type) -> Iterator[str]:
    module = inspect.getmodule(cls)
    yield (inspect.getdoc(cls) if cls.__doc__ else inspect.getdoc(module) or "").partition("\n\n")[0]
    described: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        described |= documented(vars(owner).get("__init__"), DocstringSectionParameters)[1]
    rows = []
    for name, parameter in registry.settings(cls).items():
        required = parameter.default is parameter.empty
        rows.append([f"`{name}`", "" if required else f"`{_yaml(parameter.default)}`", described.get(name, "")])
    if rows:
        yield table(["setting", "default", "what"], rows)


def documented(described: Any, kind: type) -> tuple[str, dict[str, str]]:
    """What stands before the first section of a Google docstring, and the entries of one kind of section by name."""
    text = f"\n{inspect.getdoc(described) or ''}\n"  # a section alone is only seen between line ends
    sections = Docstring(spread(text)).parse("google", warnings=False)
    about = sections[0].value if sections and isinstance(sections[0].value, str) else ""
    return about, {
        item.name: item.description for section in sections if isinstance(section, kind) for item in section.value
    }


def spread(docstring: str) -> str:
    """A docstring with an entry for each name, which is what the tools expect."""
    return GROUP.sub(
        lambda entry: "\n".join(f"{entry[1]}{name}: {entry[3]}" for name in entry[2].split(", ")), docstring
    )


class Spread(Extension):
    """`spread` for the reference of the Python names."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Changes the docstring of a function or class that was read."""
        if obj.docstring is not None:
            obj.docstring.value = spread(obj.docstring.value)


def as_page(path: Path) -> dict[str, str | bytes]:
    """A notebook as Markdown, with the pictures of its outputs, by file name."""
    text, resources = MarkdownExporter().from_notebook_node(nbformat.read(path, as_version=4))
    pictures = {f"{path.stem}_{name}": content for name, content in resources["outputs"].items()}
    for name in resources["outputs"]:
        text = text.replace(f"]({name})", f"]({path.stem}_{name})")
    note = f"*This page is [{path.name}]({path.name}), which the tests run from top to bottom.*\n"
    return {f"{path.stem}.md": f"{text}\n{note}", **pictures}


def fenced(text: str) -> str:
    """A block of plain text."""
    return f"```text\n{text.rstrip()}\n```"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in line) + " |" for line in lines
    )

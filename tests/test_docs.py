"""What the documents show must work: Python blocks are run, commands are parsed."""

import re
import shlex
from pathlib import Path

import pytest

from multimodal_emotion import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.embedded
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if blocks(path, "python")], ids=lambda path: path.name)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(path, "python"):
        exec(compile(block, str(path), "exec"), names)


def commands() -> list[tuple[str, str]]:
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(
            r"^\s*(?:\$ )?(multimodal-emotion .*)$|`(multimodal-emotion [^`]*)`", text, re.MULTILINE
        ):
            command = next(part for part in line if part)
            if "..." not in command and "[" not in command:
                found.append((path.name, command))
    return found


@pytest.mark.parametrize(("document", "command"), commands())
def test_commands_are_understood(document, command):
    arguments = shlex.split(command, comments=True)[1:]
    if arguments and not arguments[0].startswith("-"):
        cli._parser().parse_args(arguments)


def test_links_between_documents_lead_somewhere():
    for path in DOCUMENTS:
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_public_names_are_there_and_documented():
    import multimodal_emotion as me

    for name in me.__all__:
        value = getattr(me, name)
        assert isinstance(value, str) or value.__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = me.nothing

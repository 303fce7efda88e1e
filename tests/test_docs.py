"""What the documents show must work: Python blocks and notebooks are run, commands are parsed, the pages are built."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import multimodal_emotion as me
from multimodal_emotion import cli

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
DOCUMENTS = [ENGLISH, CHINESE, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path: Path, *languages: str) -> list[tuple[str, str]]:
    """The blocks of a document in these languages ("" is a block without one), in their order."""
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [(language, text) for language, text in found if language in languages]


def lines(text: str) -> list[str]:
    """The commands of a block, without comments."""
    found = text.replace("\\\n", " ").splitlines()
    return [shlex.join(shlex.split(line, comments=True)) for line in found if line.strip()]


@pytest.mark.embedded
@pytest.mark.parametrize(
    "path", # the blocks of the Chinese README are those of the English one, see below
    [path for path in DOCUMENTS if path != CHINESE and blocks(path, "python", "sh")],
    ids=lambda path: str(path.relative_to(ROOT)),
)  # fmt: skip
def test_blocks_run(path, tmp_path, monkeypatch):
    """Python and commands marked `sh`, in their order, in one folder."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for language, block in blocks(path, "python", "sh"):
        if language == "python":
            exec(compile(block, str(path), "exec"), names)
        for command in lines(block) if language == "sh" else ():
            assert command.startswith("multimodal-emotion "), command
            assert cli.main([*shlex.split(command)[1:], "--offline"]) == 0, command


def test_the_chinese_readme_has_the_same_code():
    english, chinese = (blocks(path, "", "sh", "python") for path in (ENGLISH, CHINESE))
    assert [language for language, _ in english] == [language for language, _ in chinese]
    for (language, one), (_, other) in zip(english, chinese, strict=True):
        if language == "python":
            assert ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
        else:
            assert lines(one) == lines(other)
    parts = [
        re.findall(r"^(## |- \*\*|\| )", path.read_text(encoding="utf-8"), re.MULTILINE) for path in (ENGLISH, CHINESE)
    ]
    assert parts[0] == parts[1]  # as many headings, points and rows of tables


def commands() -> list[tuple[str, str]]:
    found = []
    for path in [*DOCUMENTS, *NOTEBOOKS]:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        text = text.replace("\\\n", " ")
        for line in re.findall(
            r"^\s*(?:\$ )?(multimodal-emotion .*)$|`(multimodal-emotion [^`]*)`", text, re.MULTILINE
        ):
            command = next(part for part in line if part)
            if "..." not in command and "COMMAND" not in command:
                found.append((path.name, " ".join(command.split())))
    return sorted(set(found))


@pytest.mark.parametrize(("document", "command"), commands())
def test_commands_are_understood(document, command):
    arguments = shlex.split(command, comments=True)[1:]
    if arguments and not arguments[0].startswith("-"):
        cli._parser().parse_args(arguments)


def test_links_between_documents_lead_somewhere():
    for path in DOCUMENTS:
        text = BLOCK.sub("", path.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_public_names_are_there_and_documented():
    for name in me.__all__:
        value = getattr(me, name)
        assert isinstance(value, str) or value.__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = me.nothing


# ------------------------------------------------------------------------------------------------------------ notebooks


@pytest.mark.embedded
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_from_top_to_bottom(path):
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "notebooks" / "run.py", "--check", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_with_what_they_printed(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell.outputs) for cell in cells) > len(cells) / 2
    assert path.stat().st_size < 300_000
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(?:home|root|tmp|work|Users)/|site-packages", text)


# ---------------------------------------------------------------------------------------------------------------- pages


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The pages, as `make docs` builds them."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_is_in_the_reference(site):
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in set(me.__all__) - {"__version__"}:
        assert re.search(rf'id="multimodal_emotion\.[\w.]*\.{name}"', page), name


def test_every_command_and_setting_is_in_the_reference(site):
    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for verb in re.findall(r"^    (\w+) ", cli._parser().format_help(), re.MULTILINE):
        assert f'id="{verb}"' in text
        assert f"usage: multimodal-emotion {verb}" in text
    text = (site / "reference" / "configuration.html").read_text(encoding="utf-8")
    for section, settings in me.Config().to_dict().items():
        for name in settings if isinstance(settings, dict) else ():
            assert f"<code>{section}.{name}</code>" in text
    text = (site / "reference" / "names.html").read_text(encoding="utf-8")
    for room in ("encoders", "fusion", "tasks", "adapters", "methods", "augmentation", "datasets"):
        for name in me.names(room):
            assert re.search(rf"<h3[^>]*>{name}<a", text), name


def test_links_of_the_pages_lead_somewhere_and_nothing_comes_from_elsewhere(site):
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "check.py", site], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_check_of_pages_finds_what_is_wrong(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html">b</a> <a href="#there">c</a> <p id="here"> <a href="#here">d</a>'
    )
    (tmp_path / "c.html").write_text(
        '<script src="https://cdn.example/x.js"></script><a href="https://example.org">e</a>'
    )
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "check.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == [
        "a.html links to #there, but there is no such place on that page",
        "a.html links to b.html, which is not there",
        "c.html loads https://cdn.example/x.js",
    ]

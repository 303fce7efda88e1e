"""Checks the documents: each relative link leads to a file that is there, each Python example is Python."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def faults(document: Path) -> Iterator[str]:
    """What is wrong with a document, one line each."""
    text = document.read_text(encoding="utf-8")
    for link in LINK.findall(CODE.sub("", text)):
        if not (document.parent / link).exists():
            yield f"{document.relative_to(ROOT)}: {link} is not there"
    for example in EXAMPLE.finditer(text):
        line = text[: example.start()].count("\n") + 2
        try:
            ast.parse(example[1])
        except SyntaxError as error:
            yield f"{document.relative_to(ROOT)}, line {line + (error.lineno or 1) - 1}: {error.msg}"


documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
found = [fault for document in documents for fault in faults(document)]
print("\n".join(found) or f"{len(documents)} documents: links and examples are sound")
sys.exit(bool(found))

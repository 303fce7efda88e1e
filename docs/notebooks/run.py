"""Runs notebooks from top to bottom, each in a folder of its own.

`python docs/notebooks/run.py [--check] NOTEBOOK...`

What they print is written into them, without times and machine names; with `--check` nothing is written.
"""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbconvert.preprocessors import CellExecutionError, ExecutePreprocessor

SECONDS = 600
"""What a cell may take at most, on a machine that does other things too."""


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs.

    Raises:
        CellExecutionError: a cell raised.
        ValueError: a cell wrote to standard error: a reader would see it.
    """
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        executor = ExecutePreprocessor(timeout=SECONDS, startup_timeout=SECONDS, record_timing=False)
        executor.preprocess(notebook, {"metadata": {"path": folder}})
        for number, cell in enumerate(notebook.cells):
            cell.metadata = {}
            for output in cell.get("outputs", ()):
                output.get("metadata", {}).clear()
                if output.get("name") == "stderr":
                    raise ValueError(f"{path.name}, cell {number} writes to standard error: {output.text}")
                if folder in str(output):
                    raise ValueError(f"{path.name}, cell {number} prints a path of this machine: {folder}")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def main() -> int:
    """Runs the notebooks that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="run them and write nothing")
    arguments = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore:IProgress not found"}  # there are no widgets here
    for path in arguments.notebooks:
        try:
            notebook = run(path)
        except (CellExecutionError, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        if not arguments.check:
            nbformat.write(notebook, path)
        print(f"{path.name} runs from top to bottom")
    return 0


if __name__ == "__main__":
    sys.exit(main())

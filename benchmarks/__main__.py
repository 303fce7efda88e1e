"""Runs every benchmark, each in a process of its own, and prints one table: `python benchmarks [NAME ...]`."""

import subprocess
import sys

from _measure import HERE, read, table

# Other files here compare accuracy, not speed, and take arguments.
speed = [path.stem for path in HERE.glob("[a-z]*.py") if "from _measure import" in path.read_text(encoding="utf-8")]
names = sys.argv[1:] or sorted(speed)
failed = [name for name in names if subprocess.run([sys.executable, HERE / f"{name}.py"], check=False).returncode]
print(f"\n{table(read())}")
if failed:
    sys.exit(f"failed: {', '.join(failed)}")

"""`make bench`: generation, combinations, training and gate, each against its floor."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.combinations.check import check
from tests.combinations.speed import seconds_per_call

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 5
Row = tuple[str, str, str]


def main() -> None:
    """Measure everything and print the table, slowest part last."""
    # Compiled modules are what people have; without them every start is slow.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        rows = [*generation(Path(folder)), *combinations(), *training(Path(folder))]
    width = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, width, strict=True)))


def seconds(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median time of ``action``, after one run that warms the caches."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def command(*words: str | Path, folder: Path = ROOT) -> str:
    """Run a command and return what it printed; that is shown if it fails."""
    result = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))} failed:\n{result.stdout}")
    return result.stdout


def generate(template: Path, folder: Path) -> None:
    """Generate a project from the command line, over what an earlier run left."""
    shutil.rmtree(folder, ignore_errors=True)
    command("cookiecutter", template, "--no-input", "--output-dir", folder)


def generation(folder: Path) -> list[Row]:
    """Measure the generation of the whole project and of a single file."""
    floor = folder / "floor"
    (floor / "{{cookiecutter.name}}").mkdir(parents=True)
    (floor / "cookiecutter.json").write_text(json.dumps({"name": "one"}))
    (floor / "{{cookiecutter.name}}" / "README.md").write_text("# one\n")
    one = seconds(lambda: generate(floor, folder / "one"))
    whole = seconds(lambda: generate(ROOT, folder / "whole"))
    count = sum(path.is_file() for path in (folder / "whole").rglob("*"))
    return [
        ("generation", f"{whole:.2f} s for {count} files", f"{whole / one:.1f}x"),
        ("  a template of one file", f"{one:.2f} s", "1.0x"),
        ("  files over that floor", f"{count / (whole - one):.0f} files/s", ""),
    ]


def combinations() -> list[Row]:
    """Measure the check of every combination, and one generation for each instead."""
    report = check(ROOT)
    if report.problems:
        sys.exit(f"the check of the combinations failed:\n{report}")
    rate = report.combinations / report.seconds
    single = seconds_per_call(ROOT)
    took = f"{report.combinations:,} in {report.seconds:.1f} s: {rate:,.0f} a second"
    return [
        ("combinations, checked", took, f"{rate * single:,.0f}x"),
        ("  one cookiecutter call for each", f"{1 / single:.1f} a second", "1x"),
    ]


def training(folder: Path) -> list[Row]:
    """Measure `train.py`, a bare script with the same fit, and `make pipeline`."""
    project = folder / "whole" / "my-ml-project"
    command("make", "setup", "pipeline", folder=project)
    python = project / ".venv" / "bin" / "python"
    train = (python, "src/training/train.py")
    tracked = seconds(lambda: command(*train, folder=project))
    untracked = ("env", "MLOPS_TRACKING__ENABLED=false", *train)
    full = seconds(lambda: command(*untracked, folder=project))
    script = ROOT / "benchmarks" / "bare_training.py"
    bare = seconds(lambda: command(python, script, folder=project))
    library = seconds(lambda: command(python, script, "--mlflow", folder=project))
    decision = command(python, ROOT / "benchmarks" / "large_gate.py", folder=project)
    pipeline = seconds(lambda: command("make", "pipeline", folder=project), repeats=3)
    return [
        ("train.py, untracked", f"{full:.2f} s", f"{full / bare:.2f}x"),
        ("  the same fit in a bare script", f"{bare:.2f} s", "1.00x"),
        ("train.py, tracked by MLflow", f"{tracked:.2f} s", f"{tracked / full:.2f}x"),
        ("  the bare script with MLflow", f"{library:.2f} s", f"{library / bare:.2f}x"),
        ("gate, 1,000,000 test rows", f"{float(decision):.1f} s", ""),
        ("make pipeline", f"{pipeline:.2f} s", f"{pipeline / bare:.1f}x"),
    ]


if __name__ == "__main__":
    main()

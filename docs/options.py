"""Writes docs/options.md: the questions, and what each choice adds to a project.

Wording and choices come from ``cookiecutter.json``, files from the ownership table of
``hooks/post_gen_project.py``, megabytes and seconds from
``docs/options_measured.json``, which ``--measure`` renews: it installs projects with
and without a choice in fresh environments and takes the difference. A figure that
nobody has measured says so.

    python -m docs.options             writes the page
    python -m docs.options --measure   measures first (a few minutes)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from cookiecutter.main import cookiecutter

from tests.combinations.answers import Questions
from tests.combinations.model import load_hook, template_files

TEMPLATE = Path(__file__).resolve().parents[1]
PAGE = TEMPLATE / "docs/options.md"
MEASURED = TEMPLATE / "docs/options_measured.json"
NOTHING = "none"
RUNS = 3

# Free-text questions of which one answer is special, with an answer that is not.
OTHER_ANSWER = {"data_source": ("sample", "a path or URL")}

HEAD = """\
<!-- Written by docs/options.py from cookiecutter.json and the ownership table. -->
# Options

What Cookiecutter asks. The first choice of each question is the default.

This page is written by `python -m docs.options`, from `cookiecutter.json` and from the
table of `hooks/post_gen_project.py` that says which choice owns which files.

## Questions with choices
"""
FOOT = """\
**Files**: how many only this choice brings; their names are in the next section. A
choice may also add lines to files that every project has, such as `requirements.txt`.

**Megabytes and seconds**: what the choice adds to the default project, as measured by
`make options`{machine}. Two projects, one with the choice and one without it, are
each installed in a fresh environment with uv, from a warm cache and compiled to
bytecode; the table shows the difference of the two. *Install* is the fastest of {runs}
installations, *test* one run of the project's own tests. A dash marks questions whose
choices need the same packages.{default}
"""


class Catalogue:
    """The questions, their wording, and the files that their choices own."""

    def __init__(self) -> None:
        """Read ``cookiecutter.json`` and the ownership table."""
        self.questions = Questions(TEMPLATE)
        self.prompts: dict[str, Any] = self.questions.raw.get("__prompts__", {})
        self.hook = load_hook(TEMPLATE)

    @cached_property
    def paths(self) -> list[str]:
        """Every file of the template, below the project's folder."""
        return template_files(TEMPLATE)

    def choices(self, question: str) -> list[str]:
        """Return the choices of a question; none if the answer is free text."""
        raw = self.questions.raw[question]
        if isinstance(raw, list):
            return raw
        return list(OTHER_ANSWER.get(question, []))

    def asked(self, question: str) -> str:
        """Return the human wording of a question."""
        prompt = self.prompts.get(question, question)
        return str(prompt["__prompt__"] if isinstance(prompt, dict) else prompt)

    def meaning(self, question: str, choice: str) -> str:
        """Return the human wording of a choice."""
        prompt = self.prompts.get(question)
        text = prompt.get(choice, "") if isinstance(prompt, dict) else ""
        return text.partition(" - ")[2] or text  # "MIT  - what it means"

    def default(self, question: str) -> str:
        """Return what somebody gets who just presses the return key."""
        return str(self.questions.value(question, self.questions.defaults))

    def files(self, question: str, choice: str) -> list[str]:
        """Return the files of a project that only this choice brings."""
        owned = {c: self._owned(question, c) for c in self.choices(question)}
        always = set.intersection(*owned.values())
        return sorted({landing for _, landing in owned[choice] - always})

    def _owned(self, question: str, choice: str) -> set[tuple[str, str]]:
        """Return the (path in the template, path in the project) that are owned."""
        assignment = self.questions.defaults | {question: choice}
        answers = {
            variable: self.questions.value(variable, assignment)
            for variable in self.hook.OWNED_PATHS
        }
        owned = set()
        for path, lands in self.hook.entries(self.hook.OWNED_PATHS, answers, True):
            for file in self.paths:
                if path.endswith("/") and file.startswith(path):
                    owned.add((file, file))
                elif file == path:
                    owned.add((path, lands))
        return owned


def page(catalogue: Catalogue, measured: dict[str, Any]) -> str:
    """Return the whole page as Markdown."""
    rows, lists, free = [], [], []
    for question in catalogue.questions.values:
        choices = catalogue.choices(question)
        for choice in choices:
            files = catalogue.files(question, choice)
            rows.append(row(catalogue, question, choice, files, measured))
            if files:
                names = ", ".join(f"`{name}`" for name in files)
                lists.append(f"- **{question}: {choice}**: {names}")
        if not isinstance(catalogue.questions.raw[question], list):
            wording, default = catalogue.asked(question), catalogue.default(question)
            free.append(f"| `{question}` | {wording} | `{default}` |")
    foot = FOOT.format(machine=machine(measured), runs=RUNS, default=whole(measured))
    return "\n".join(
        [
            HEAD,
            "| question | choice | what it means | files | MB | install, s | test, s |",
            "|---|---|---|--:|--:|--:|--:|",
            *rows,
            "",
            foot,
            "## Files of each choice\n",
            *lists,
            "",
            "## Questions with a free answer\n",
            "| question | what is asked | default |",
            "|---|---|---|",
            *free,
            "",
        ]
    )


def row(
    catalogue: Catalogue,
    question: str,
    choice: str,
    files: list[str],
    measured: dict[str, Any],
) -> str:
    """Return the row of the table for a choice."""
    first = choice == catalogue.choices(question)[0]
    name = f"`{question}`: {catalogue.asked(question)}" if first else ""
    if NOTHING not in catalogue.choices(question):
        cost = ["–"] * 3
    elif choice == NOTHING:
        cost = ["0"] * 3
    else:
        figures = measured.get("choices", {}).get(f"{question}={choice}", {})
        keys = ("megabytes", "install_seconds", "test_seconds")
        cost = [shown(figures.get(key)) for key in keys]
    cells = [name, f"`{choice}`" if " " not in choice else choice]
    cells += [catalogue.meaning(question, choice), str(len(files)), *cost]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shown(figure: float | None) -> str:
    """Return a measured figure for the table."""
    if figure is None:
        return "not measured"
    # Below a tenth of a second, or of a megabyte, is noise.
    return f"{max(figure, 0.0):.1f}" if abs(figure) >= 0.05 else "0"


def machine(measured: dict[str, Any]) -> str:
    """Say where and when the figures were measured."""
    if not measured:
        return ""
    return " on {date}, on {cpus} cores with Python {python}".format(**measured)


def whole(measured: dict[str, Any]) -> str:
    """Say what the default project costs as a whole."""
    if not measured:
        return ""
    return (
        "\n\nThe default project as a whole: {megabytes:.0f} MB, "
        "{install_seconds:.1f} s to install, {test_seconds:.1f} s to test."
    ).format(**measured["default"])


def measure(catalogue: Catalogue) -> dict[str, Any]:
    """Install the default project, and it without each choice; return the costs."""
    with tempfile.TemporaryDirectory() as folder:
        default = bake(Path(folder) / "default", {})
        cost = cost_of(default)
        choices = {}
        for question in catalogue.questions.values:
            if NOTHING not in catalogue.choices(question):
                continue
            choice = catalogue.default(question)
            without = bake(Path(folder) / question, {question: NOTHING})
            if same(default, without):
                added = dict.fromkeys(cost, 0.0)
            else:
                lean = cost_of(without)
                added = {key: round(cost[key] - lean[key], 1) for key in cost}
            choices[f"{question}={choice}"] = added
            print(f"{question}={choice}: {added}")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpus": os.cpu_count(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "default": cost,
        "choices": choices,
    }


def bake(folder: Path, answers: dict[str, str]) -> Path:
    """Generate a project and return its folder."""
    made = cookiecutter(
        str(TEMPLATE), no_input=True, extra_context=answers, output_dir=str(folder)
    )
    return Path(made)


def same(one: Path, other: Path) -> bool:
    """Tell whether two projects install the same packages and run the same code."""
    return all(
        {p.relative_to(one): p.read_bytes() for p in one.glob(pattern)}
        == {p.relative_to(other): p.read_bytes() for p in other.glob(pattern)}
        for pattern in ("requirements.txt", "constraints.txt", "**/*.py")
    )


def cost_of(project: Path) -> dict[str, float]:
    """Return the megabytes, and the seconds to install and to test, of a project."""
    environment = project / ".venv"
    python = str(environment / "bin/python")

    def install() -> None:
        run(project, "uv", "venv", "--quiet", "--clear", "--python", sys.executable)
        command = ["uv", "pip", "install", "--quiet", "--compile-bytecode"]
        run(project, *command, "--python", python, "-r", "requirements.txt")

    install()  # fills the cache
    seconds = min(timed(install) for _ in range(RUNS))
    size = sum(p.stat().st_size for p in environment.rglob("*") if not p.is_symlink())
    tests = timed(lambda: run(project, python, "-m", "pytest", "--quiet", "tests"))
    return {
        "megabytes": round(size / 1e6, 1),
        "install_seconds": round(seconds, 1),
        "test_seconds": round(tests, 1),
    }


def timed(action: Callable[[], None]) -> float:
    """Return how many seconds an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def run(folder: Path, *command: str) -> None:
    """Run a command in a folder.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure if asked to, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="renew the figures")
    catalogue = Catalogue()
    if parser.parse_args().measure:
        figures = json.dumps(measure(catalogue), indent=2)
        MEASURED.write_text(figures + "\n", encoding="utf-8")
    PAGE.write_text(page(catalogue, load_measured()), encoding="utf-8")


def load_measured() -> dict[str, Any]:
    """Return what was measured; empty if nothing was."""
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}


if __name__ == "__main__":
    main()

"""The command-line tools, each started once for all the texts of its kind.

Texts are laid out below one folder: ``variants/<digest>/<path>`` for each, except that
the Python files, which are the same for all answers, stand in one tree beside the
configuration that black and flake8 read.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from tests.combinations.answers import Assignment
from tests.combinations.model import Model, Problem, shown
from tests.combinations.texts import Text

BIN = Path(sys.executable).parent
# `make test` of this repository must not talk to the Makefile under test.
NOT_FOR_TOOLS = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}

# What black says at the end, after it has named the files.
SUMMARY = re.compile(r"^Oh no!|^All done!|files? would be|^\S* *$")
PYTHON_TOOLS = (["black", "--check"], ["flake8", "--jobs=1"])
TOOLS = {
    "workflow": [
        ["actionlint", "-oneline"],
        ["zizmor", "--offline", "--quiet", "--no-progress", "--format=github"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    ],
    "dependabot": [
        ["zizmor", "--offline", "--quiet", "--no-progress", "--format=github"],
        ["check-jsonschema", "--builtin-schema", "vendor.dependabot"],
    ],
    "dockerfile": [["hadolint", "--no-color", "--failure-threshold", "warning"]],
    "shell": [["shellcheck", "--format=gcc", "--severity=warning"]],
}
MAKE = ["make", "--dry-run", "--keep-going", "--warn-undefined-variables"]
MANY = 20  # Python files, from which on two processes are faster than one

# What the tools said, by tool and inputs, as long as this process lives.
_RUN: dict[tuple[Any, ...], Future[str]] = {}


class Linters:
    """Runs the tools over texts, on two cores."""

    def __init__(self, folder: Path) -> None:
        """Lay texts out below ``folder``, which must be empty."""
        self.folder = folder
        self._answers: dict[str, str] = {}
        self._jobs: list[tuple[str, Future[str]]] = []
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count())
        self._environment = {
            **{k: v for k, v in os.environ.items() if k not in NOT_FOR_TOOLS},
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",  # for shellcheck
            "NO_COLOR": "1",
        }

    def __enter__(self) -> Self:
        """Return itself, with the tools at work."""
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the tools."""
        self._pool.shutdown()

    def start(self, model: Model, texts: dict[Text, Assignment]) -> Self:
        """Start the tools over the texts."""
        by_kind: dict[str, list[Text]] = defaultdict(list)
        for text in texts:
            by_kind[text.kind].append(text)
        self._start_python(by_kind["python"], texts)
        for kind, commands in TOOLS.items():
            files = [self._lay_out(text, texts[text]) for text in by_kind[kind]]
            for command in commands if files else []:
                self._submit(by_kind[kind], [*command, *files], self.folder)
        for text in by_kind["make"]:
            self._start_make(model, text, texts[text])
        return self

    def results(self) -> list[Problem]:
        """Return what the tools say against the texts, one problem a line."""
        return [
            self._problem(tool, line)
            for tool, job in self._jobs
            for line in job.result().splitlines()
            if line.strip() and not SUMMARY.search(line)
        ]

    def _start_python(self, python: list[Text], texts: Iterable[Text]) -> None:
        tree = self.folder / "python"
        settings = [t for t in texts if t.path in ("pyproject.toml", ".flake8")]
        for text in (*settings, *python):
            file = tree / text.source
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                file.write_text(text.content, encoding="utf-8")
        halves = (python[::2], python[1::2]) if len(python) > MANY else (python,)
        for command in PYTHON_TOOLS:
            for part in filter(None, halves):
                sources = [text.source for text in part]
                self._submit([*settings, *part], [*command, *sources], tree)

    def _start_make(self, model: Model, text: Text, known: Assignment) -> None:
        """Have make resolve every target that its help names, without running it."""
        folder = Path(self._lay_out(text, known)).parent
        assignment = {**model.questions.defaults, **known}
        landings = [model.landing(path, assignment) for path in model.paths]
        for landing in filter(None, landings):
            (folder / landing).parent.mkdir(parents=True, exist_ok=True)
            (folder / landing).touch()
        targets = re.findall(r"^([\w-]+):(?!=).*##", text.content, re.MULTILINE)
        self._submit([text, *landings], [*MAKE, *targets], folder)

    def _lay_out(self, text: Text, assignment: Assignment) -> str:
        name = hashlib.sha256(repr(text).encode()).hexdigest()[:16]
        self._answers[name] = shown(assignment)
        file = self.folder / "variants" / name / text.path
        file.parent.mkdir(parents=True)
        file.write_text(text.content, encoding="utf-8")
        return str(file)

    def _submit(self, inputs: Iterable[Any], command: list[str], cwd: Path) -> None:
        """Have a tool run; the same tool over the same inputs has run already."""
        asked = (command[0], *inputs)
        if asked not in _RUN:
            _RUN[asked] = self._pool.submit(self._run, command, cwd)
        self._jobs.append((command[0], _RUN[asked]))

    def _run(self, command: list[str], cwd: Path) -> str:
        """Run a tool, and return what it says if it fails, without our folder."""
        program = BIN / command[0]
        if program.exists():
            command = [str(program), *command[1:]]
        done = subprocess.run(
            command, cwd=cwd, env=self._environment, capture_output=True, text=True
        )
        says = done.stdout + done.stderr if done.returncode else ""
        if command[0] == "make":  # of which a warning is reason enough
            label = f"{cwd}/Makefile: "
            says = "".join(f"{label}{line}\n" for line in done.stderr.splitlines())
        return says.replace(f"{self.folder}/", "")

    def _problem(self, tool: str, line: str) -> Problem:
        """Make a problem of a line, naming the answers instead of the variant."""
        variant = re.search(r"variants/(\w+)/", line)
        if not variant:
            return Problem(tool, line.removeprefix("python/"))
        answers = self._answers[variant.group(1)]
        return Problem(tool, line.replace(variant.group(), ""), answers)

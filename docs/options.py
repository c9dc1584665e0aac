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
from functools import cached_property
from pathlib import Path
from typing import Any

from docs.costs import Choice, measure
from tests.combinations.answers import Questions
from tests.combinations.model import load_hook, template_files

TEMPLATE = Path(__file__).resolve().parents[1]
PAGE = TEMPLATE / "docs/options.md"
MEASURED = TEMPLATE / "docs/options_measured.json"

# Free-text questions of which one answer brings files, told like choices.
SPECIAL = {
    "data_source": {
        "sample": "the sample data set of the task, about 8,000 rows",
        "a path or URL": "your own data; the first run infers the schema",
    }
}

# What somebody who looks for another tool wants to know.
NOTES = {"experiment_tracking": """\
Neptune, which guides to MLOps often name, is no choice: its hosted service shut down on
2026-03-05. `mlflow` is the nearest replacement that you host yourself, `wandb` the
nearest hosted one.
"""}

HEAD = """\
<!-- Written by docs/options.py from cookiecutter.json and the ownership table. -->
# Options

What Cookiecutter asks. The first choice of each question is the default, unless the
preset has another.

This page is written by `docs/options.py`, from `cookiecutter.json` and from the table
of `hooks/post_gen_project.py` that says which choice owns which files. A choice may
also add lines to files that every project has, such as `requirements.txt`.

"""
COST = """\
## What it costs

| preset | files | lines of Python | MB | install, s | test, s |
|---|--:|--:|--:|--:|--:|
{presets}

What each choice that can be declined adds to a project. The other choices are about
names and texts, and need the same packages whatever you answer.

| choice | files | MB | install, s | test, s |
|---|--:|--:|--:|--:|
{rows}

`make options` measured megabytes and seconds{machine}.
The default project with the choice, and the same without it, are each installed in
fresh environments with uv, from a warm cache, as are the tools that have one of their
own (`.venv-monitoring`, `.venv-orchestration`); the table shows the difference. Seconds
are of processor time. *Test* is one run of the project's own tests, the first after
installing, which compiles modules.

"""
FREE = """\
## Questions with a free answer

| question | what is asked | default |
|---|---|---|
"""


class Catalogue:
    """The questions, their wording, and the files that their choices own."""

    def __init__(self, template: Path = TEMPLATE) -> None:
        """Read ``cookiecutter.json`` and the ownership table of a template."""
        self.template = template
        self.questions = Questions(template)
        self.prompts: dict[str, Any] = self.questions.raw.get("__prompts__", {})
        self.hook = load_hook(template)

    @cached_property
    def paths(self) -> list[str]:
        """Every file of the template, below the project's folder."""
        return template_files(self.template)

    def choices(self, question: str) -> list[str]:
        """Return the choices of a question; none if the answer is free text."""
        raw = self.questions.raw[question]
        if isinstance(raw, list):
            return raw
        return list(SPECIAL.get(question, []))

    def can_be_declined(self) -> list[Choice]:
        """Return the choices that there are besides declining."""
        return [
            Choice(question, choice, declined)
            for question in self.questions.values
            if (declined := self.questions.declining(question))
            for choice in self.choices(question)
            if choice != declined
        ]

    def asked(self, question: str) -> str:
        """Return the human wording of a question."""
        prompt = self.prompts.get(question, question)
        return str(prompt["__prompt__"] if isinstance(prompt, dict) else prompt)

    def meaning(self, question: str, choice: str) -> str:
        """Return the human wording of a choice."""
        if question in SPECIAL:
            return SPECIAL[question][choice]
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
    questions = list(catalogue.questions.values)
    chosen = [question for question in questions if catalogue.choices(question)]
    typed = [q for q in questions if not isinstance(catalogue.questions.raw[q], list)]
    costs = cost_rows(catalogue, measured)
    cost = COST.format(
        presets="\n".join(preset_rows(catalogue, measured)),
        rows="\n".join(costs),
        machine=machine(measured),
    )
    free = [
        f"| `{q}` | {catalogue.asked(q)} | `{catalogue.default(q)}` |" for q in typed
    ]
    sections = [section(catalogue, question) for question in chosen]
    return HEAD + "".join(sections) + cost + FREE + "\n".join(free) + "\n"


def section(catalogue: Catalogue, question: str) -> str:
    """Return what the page says of a question with choices."""
    lines = [f"## {question}", "", catalogue.asked(question), ""]
    lines += ["| choice | what it means | files that only it brings |", "|---|---|---|"]
    for choice in catalogue.choices(question):
        name = choice if " " in choice else f"`{choice}`"
        files = ", ".join(f"`{file}`" for file in catalogue.files(question, choice))
        meaning = catalogue.meaning(question, choice)
        lines.append(f"| {name} | {meaning} | {files or '-'} |")
    note = f"\n{NOTES[question]}" if question in NOTES else ""
    return "\n".join(lines) + f"\n{note}\n"


def preset_rows(catalogue: Catalogue, measured: dict[str, Any]) -> list[str]:
    """Return the rows of the table of presets."""
    rows = []
    for preset in catalogue.choices("preset"):
        figures = measured.get("presets", {}).get(preset, {})
        size = " | ".join(f"{figures.get(key, 0):,}" for key in ("files", "lines"))
        rows.append(f"| `{preset}` | {size} | {cost_cells(figures)} |")
    return rows


def cost_rows(catalogue: Catalogue, measured: dict[str, Any]) -> list[str]:
    """Return the rows of the table of what choices add."""
    rows = []
    for question, choice, _ in catalogue.can_be_declined():
        figures = measured.get("choices", {}).get(f"{question}={choice}", {})
        files = len(catalogue.files(question, choice))
        rows.append(f"| `{question}={choice}` | {files} | {cost_cells(figures)} |")
    return rows


def cost_cells(figures: dict[str, float]) -> str:
    """Return megabytes and seconds as cells of a table."""
    keys = ("megabytes", "install_seconds", "test_seconds")
    return " | ".join(shown(figures.get(key)) for key in keys)


def shown(figure: float | None) -> str:
    """Return a measured figure for the table."""
    if figure is None:
        return "not measured"
    # Below a tenth of a second, or of a megabyte, is noise.
    return f"{figure:.1f}" if figure >= 0.05 else "0"


def machine(measured: dict[str, Any]) -> str:
    """Say where and when the figures were measured."""
    if not measured:
        return ""
    return " on {date}, on {cpus} cores with Python {python}".format(**measured)


def main() -> None:
    """Measure if asked to, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="renew the figures")
    catalogue = Catalogue()
    if parser.parse_args().measure:
        presets, choices = catalogue.choices("preset"), catalogue.can_be_declined()
        figures = json.dumps(measure(presets, choices), indent=2)
        MEASURED.write_text(figures + "\n", encoding="utf-8")
    PAGE.write_text(page(catalogue, load_measured()), encoding="utf-8")


def load_measured() -> dict[str, Any]:
    """Return what was measured; empty if nothing was."""
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}


if __name__ == "__main__":
    main()

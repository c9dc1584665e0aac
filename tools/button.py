"""What `.github/workflows/project.yml` asks, and how its inputs become answers.

The workflow is GitHub's way to what `make init` does in a clone: in a copy that "Use
this template" made, it turns the repository into a project.

    python -m tools.button --inputs  writes the inputs into the workflow
    python -m tools.button           what the workflow runs
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.init import ENABLE, Refused, initialise

TEMPLATE = Path(__file__).resolve().parents[1]
WORKFLOW = Path(".github/workflows/project.yml")
BLOCK = re.compile(r"(?<=tools.button --inputs\n).*?(?= *# end\n)", re.S)

# The folder is the repository itself, and whoever is here has chosen GitHub.
NOT_ASKED = ("project_slug", "ci")
# What is in place of an answer that was left empty, or of the wording for a terminal.
EMPTY = {
    "project_name": "empty: as the repository",
    "description": "empty: as the repository's",
    "author_name": "empty: the owner of the repository",
    "author_email": "empty: the owner's address at GitHub that takes no mail",
    "target_column": "empty: the sample's",
}
WORDING = {"data_source": "Data: the word sample, or a URL (CSV, Parquet, Excel)"}
# How the choice is shown that leaves the question to another one's answer.
LEFT_OPEN = "preset"


def shown(choice: str) -> str:
    """Return how a choice is shown, which Cookiecutter reads as a Jinja template."""
    return LEFT_OPEN if "{" in choice else choice


def inputs(questions: Mapping[str, Any]) -> str:
    """Return the inputs of the workflow, as YAML, from ``cookiecutter.json``."""
    lines = []
    for question, default in questions.items():
        if question.startswith("_") or question in NOT_ASKED:
            continue
        words = questions["__prompts__"].get(question, question)
        words = words["__prompt__"] if isinstance(words, dict) else words
        words = WORDING.get(question, words)
        if question in EMPTY:
            words = f"{words} ({EMPTY[question]})"
        lines += [f"{question}:", f"  description: {quoted(words)}"]
        if isinstance(default, list):
            lines += ["  type: choice", "  options:"]
            lines += [f"    - {quoted(shown(choice))}" for choice in default]
        else:
            lines += ["  type: string"]
            if "{" not in default and question not in EMPTY:
                lines += [f"  default: {quoted(default)}"]
    return "".join(f"      {line}\n" for line in lines)


def quoted(text: str) -> str:
    """Return a text as YAML reads it, which takes JSON for what it is."""
    return json.dumps(text, ensure_ascii=False)


def written(template: Path) -> str:
    """Return the workflow of a template with the inputs that it should have."""
    questions = json.loads((template / "cookiecutter.json").read_text("utf-8"))
    text = (template / WORKFLOW).read_text(encoding="utf-8")
    return BLOCK.sub(lambda _: inputs(questions), text, count=1)


def answers(inputs: Mapping[str, str], repository: Mapping[str, Any]) -> dict[str, str]:
    """Return the answers: the inputs that were given, the rest from the repository.

    Args:
        inputs: What was typed and chosen.
        repository: What GitHub says of it in an event.
    """
    owner = repository["owner"]["login"]
    known = {
        "project_name": repository["name"],
        "description": (repository.get("description") or "").strip(),
        "author_name": owner,
        "author_email": f"{owner}@users.noreply.github.com",
    }
    given = {question: text.strip() for question, text in inputs.items()}
    kept = {q: text for q, text in given.items() if text and text != LEFT_OPEN}
    return {question: text for question, text in known.items() if text} | kept


SUMMARY = """\
### This repository is a project now

Next, in a clone of it:

```bash
{commands}
```
"""
WAITING = """
The first command puts the project's workflows in the place of the template's: GitHub
lets no workflow do that without a token for it.
"""
REFUSED = """\
### No project was made

Nothing has changed. Run the workflow again with other answers.

~~~~~~text
{why}
~~~~~~
"""


def main() -> int:
    """Make the project, and write the summary of the run into ``SUMMARY``."""
    if sys.argv[1:] == ["--inputs"]:
        (TEMPLATE / WORKFLOW).write_text(written(TEMPLATE), encoding="utf-8")
        return 0
    repository = json.loads(os.environ["REPOSITORY"])
    may = os.environ["MAY_WRITE_WORKFLOWS"] == "true"
    summary = Path(os.environ["SUMMARY"])
    try:
        first = initialise(
            Path.cwd(),
            answers(json.loads(os.environ["INPUTS"]), repository),
            url=os.environ["TEMPLATE_URL"] or None,
            name=repository["name"],
            may_write_workflows=may,
        )
    except Refused as refused:
        summary.write_text(REFUSED.format(why=refused), encoding="utf-8")
        print(refused, file=sys.stderr)
        return 1
    commands = ["make setup", first]
    if not may:
        commands = [f"bash {ENABLE} && git push", *commands]
    text = SUMMARY.format(commands="\n".join(commands))
    summary.write_text(text + ("" if may else WAITING), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

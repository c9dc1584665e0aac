"""How every text file looks: its spacing, and no template language left in it."""

import re
from collections.abc import Iterator

from jinja2 import nodes

from tests.combinations.kinds import kind_of
from tests.combinations.model import Model, Problem
from tests.combinations.texts import Text

GITHUB_EXPRESSION = re.compile(r"\$\{\{ .*? \}\}")
# What Prometheus and Alertmanager fill in when they tell of an alert.
GO_TEMPLATE = re.compile(r"\{\{ (?:[$.]|range |end ).*?\}\}")
LEFT_OVER = re.compile(r"\{\{|\{%|\{#")


def spacing(text: Text) -> Iterator[str]:
    """Yield what is wrong with the spacing of a text."""
    content = text.content
    if not content:
        return
    if "\r" in content:
        yield "carriage return"
    if any(line != line.rstrip() for line in content.split("\n")):
        yield "trailing space"
    if text.kind != "python" and re.search(r"(?:\A|\n)[ \t]*\n[ \t]*\n", content):
        yield "double blank line"
    if text.is_start and content.startswith("\n"):
        yield "blank line at the start"
    if text.is_end and not content.endswith("\n"):
        yield "no newline at the end"
    if text.is_end and content.endswith("\n\n"):
        yield "blank line at the end"


def left_over_jinja(model: Model) -> list[Problem]:
    """Return where template language would reach the project as text.

    Only the template's own text is looked at: what people type may look like Jinja. The
    project may have templates of its own, GitHub's expressions in its workflows, and those
    of Go in what alerts say.
    """
    problems = []
    for path, pieces in model.pieces.items():
        if kind_of(path) == "jinja":
            continue
        for piece in pieces:
            tree = nodes.Template(list(piece.atoms), lineno=1)
            literals = [node.data for node in tree.find_all(nodes.TemplateData)]
            text = "".join(literals)
            if kind_of(path) == "workflow":
                text = GITHUB_EXPRESSION.sub("", text)
            if path.startswith("monitoring/"):
                text = GO_TEMPLATE.sub("", text)
            if found := LEFT_OVER.search(text):
                message = f"`{found.group()}` would be left in the project"
                problems.append(Problem(path, message))
    return problems


def python_with_jinja(model: Model) -> list[Problem]:
    """Return the Python files that are not the same before and after rendering."""
    problems = []
    for path, pieces in model.pieces.items():
        if path.endswith(".py"):
            source = (model.folder / path).read_text(encoding="utf-8")
            if [piece.texts for piece in pieces] not in ([{(): source}], []):
                problems.append(Problem(path, "Jinja in a Python file"))
    return problems

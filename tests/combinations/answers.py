"""The questions of cookiecutter.json, the values they take, and what they lead to.

An *assignment* maps questions to raw values: a choice, or what somebody types for a
free-text question. Cookiecutter renders raw values too, so the default of a question
(``{{ cookiecutter.project_name | slugify }}``) is a raw value like any other.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from cookiecutter.prompt import render_variable
from cookiecutter.utils import create_env_with_context
from jinja2 import nodes

from tests.generating import NASTY, questions, typed

Assignment = dict[str, str]

# What people type, besides the default. A question that is not listed is asked with
# NASTY, so that a new one is held to the same standard.
TYPED = {
    "project_name": [NASTY, "مشروع"],
    "project_slug": ["churn_model-2"],
    "author_email": ["o'neil+ml@example.org"],
    "data_source": [
        "uploads/our customers {2026}.csv",
        "https://example.org/data/sales.parquet",
    ],
    "target_column": ["""say "yes" \\ {no}: 50% 👍"""],
}

# The answers that decline what a question offers.
DECLINING = {"none", "no"}

# Pairs of values that the generator refuses, as (questions, predicate). The hook says
# why: the sample data sets have no other target than their own, other data not theirs;
# without a service there are no predictions of one to watch.
Refusal = tuple[tuple[str, ...], Callable[[Assignment, dict[str, Any]], bool]]
REFUSED: list[Refusal] = [
    (
        ("data_source", "target_column"),
        lambda answers, defaults: (answers["data_source"] == "sample")
        != (answers["target_column"] == defaults["target_column"]),
    ),
    (
        ("monitoring", "serving"),
        lambda answers, defaults: answers["serving"] == "none"
        and answers["monitoring"] != "none",
    ),
]


class Questions:
    """What cookiecutter.json asks, and which variables follow from the answers."""

    def __init__(self, template: Path) -> None:
        """Read ``template/cookiecutter.json``."""
        self.raw = questions(template)
        self.environment = create_env_with_context({"cookiecutter": self.raw})
        self.values = {
            name: self._values(name, raw)
            for name, raw in self.raw.items()
            if not name.startswith("_")
        }
        self._closures: dict[str, frozenset[str]] = {}
        self._orders: dict[str, tuple[str, ...]] = {}
        self._memo: dict[tuple[Any, ...], Any] = {}

    @staticmethod
    def _values(name: str, raw: Any) -> tuple[str, ...]:
        if isinstance(raw, list):
            return tuple(raw)
        typed_values = TYPED.get(name, [NASTY])
        return (raw, *(typed(value) for value in typed_values))

    @cached_property
    def defaults(self) -> Assignment:
        """The first value of every question."""
        return {name: values[0] for name, values in self.values.items()}

    def declining(self, question: str) -> str | None:
        """Return the choice that declines what a question offers, None without one."""
        raw = self.raw.get(question)
        choices = raw if isinstance(raw, list) else []
        return next((choice for choice in choices if choice in DECLINING), None)

    def closure(self, variables: Iterable[str]) -> frozenset[str]:
        """Return the questions that the variables depend on, through private ones.

        Raises:
            KeyError: If cookiecutter.json has no such variable.
        """
        return frozenset().union(*(self._closure(name) for name in variables))

    def _closure(self, name: str) -> frozenset[str]:
        if name not in self._closures:
            behind = self._read_by(self.raw[name])
            own = frozenset([name]) if name in self.values else frozenset()
            self._closures[name] = own | self.closure(behind)
        return self._closures[name]

    def _read_by(self, raw: Any) -> set[str]:
        """Return the variables that a raw value, or a list of them, reads."""
        if isinstance(raw, str):
            return variables_in(self.environment.parse(raw))
        return set().union(*map(self._read_by, raw)) if isinstance(raw, list) else set()

    def assignments(self, questions: Iterable[str]) -> Iterator[Assignment]:
        """Yield every possible assignment of the questions."""
        names = sorted(questions)
        refusals = [refuses for asked, refuses in REFUSED if set(asked) <= set(names)]
        for values in itertools.product(*(self.values[name] for name in names)):
            assignment = dict(zip(names, values, strict=True))
            if not any(refuses(assignment, self.defaults) for refuses in refusals):
                yield assignment

    def count(self, questions: Iterable[str]) -> int:
        """Return how many assignments of the questions are possible."""
        names = set(questions)
        bound = {q for asked, _ in REFUSED if set(asked) <= names for q in asked}
        free = math.prod(len(self.values[name]) for name in names - bound)
        return free * sum(1 for _ in self.assignments(bound))

    def value(self, variable: str, assignment: Assignment) -> Any:
        """Return what cookiecutter makes of a variable under an assignment."""
        if variable.startswith("_") and not variable.startswith("__"):
            return self.raw[variable]
        if variable not in self._orders:
            self._orders[variable] = tuple(sorted(self._closure(variable)))
        key = (variable, *(assignment[name] for name in self._orders[variable]))
        if key not in self._memo:
            raw = assignment.get(variable, self.raw[variable])
            context = {n: self.value(n, assignment) for n in self._read_by(raw)}
            self._memo[key] = render_variable(self.environment, raw, context)
        return self._memo[key]


def variables_in(tree: nodes.Node) -> set[str]:
    """Return the variables of cookiecutter that a template reads.

    Raises:
        ValueError: If it reads ``cookiecutter`` as a whole, or by a computed name:
            what it depends on cannot be told.
    """
    found = []
    for node in tree.find_all(nodes.Getattr):
        if _is_cookiecutter(node.node):
            found.append(node.attr)
    for item in tree.find_all(nodes.Getitem):
        if _is_cookiecutter(item.node) and isinstance(item.arg, nodes.Const):
            found.append(item.arg.value)
    if len(found) != sum(map(_is_cookiecutter, tree.find_all(nodes.Name))):
        message = "reads `cookiecutter` as a whole; name the variables it needs"
        raise ValueError(message)
    return set(found)


def _is_cookiecutter(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "cookiecutter"

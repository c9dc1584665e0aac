"""What expressions in Prometheus' language ask for, and whether it is there."""

import json
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser
import yaml

# What Grafana puts into an expression before Prometheus sees it.
BY_GRAFANA = {"$__rate_interval": "1m"}
HOLDS = {
    "MatchOp.Equal": operator.eq,
    "MatchOp.NotEqual": operator.ne,
    "MatchOp.Re": lambda value, wanted: bool(re.fullmatch(wanted, value)),
    "MatchOp.NotRe": lambda value, wanted: not re.fullmatch(wanted, value),
}
Series = tuple[str, Mapping[str, str]]


def expressions(folder: Path) -> tuple[set[str], dict[str, str]]:
    """Return the names that rules record, and what asks -> its expression.

    Args:
        folder: `monitoring/` of a project.
    """
    recorded, found = set(), {}
    for path in sorted(folder.glob("prometheus/*.yml")):
        groups = yaml.safe_load(path.read_text(encoding="utf-8")).get("groups", [])
        for rule in [rule for group in groups for rule in group["rules"]]:
            found[rule.get("alert") or rule["record"]] = rule["expr"]
            recorded |= {rule["record"]} if "record" in rule else set()
    for path in sorted(folder.glob("grafana/dashboards/*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                expression = target["expr"]
                for name, value in BY_GRAFANA.items():
                    expression = expression.replace(name, value)
                found[f"{panel['title']}, {target['refId']}"] = expression
    return recorded, found


def selectors(expression: str) -> Iterator[Any]:
    """Yield what an expression selects; ValueError if it is none."""
    found: list[Any] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    yield from found


def unmet(expression: str, series: Iterable[Series], ours: Iterable[str]) -> list[str]:
    """Return the selectors of an expression that select none of the series.

    Args:
        expression: Which selects.
        series: The names and labels of what is there, but for those of the scraping.
        ours: Names that rules, or Prometheus itself, bring.
    """
    return [
        str(selector)
        for selector in selectors(expression)
        if selector.name not in ours
        and not any(
            selector.name == name
            and all(
                HOLDS[str(matcher.op)](labels.get(matcher.name, ""), matcher.value)
                for matcher in selector.matchers.matchers
                if matcher.name not in ("job", "instance")
            )
            for name, labels in series
        )
    ]

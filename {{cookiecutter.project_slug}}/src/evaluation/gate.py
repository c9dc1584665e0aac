"""The gate: what a challenger must hold to become the champion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from src.audits.audit import Check
from src.evaluation.bootstrap import Measurement
from src.evaluation.metrics import METRICS, primary_metric
from src.evaluation.performance import Evaluation, SliceResult, improvement
from src.utils.config import Settings
from src.utils.errors import ConfigError

KEY = "config/pipeline_config.yaml: gate"


class Rule(NamedTuple):
    """One line of a decision.

    Attributes:
        name: What is asked.
        found: What the challenger has.
        expected: What it should have.
        passed: Whether it has.
    """

    name: str
    found: str
    expected: str
    passed: bool


@dataclass(frozen=True)
class Decision:
    """Whether a challenger becomes champion, and why.

    Attributes:
        rules: What was asked of it; all must hold.
        notes: What a reader should know besides, such as what was not measured.
    """

    rules: list[Rule]
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all rules hold."""
        return all(rule.passed for rule in self.rules)

    @property
    def why(self) -> str:
        """The reason in one line."""
        failed = [rule for rule in self.rules if not rule.passed]
        if not failed:
            return "all rules of the gate hold"
        return "; ".join(f"{r.name}: {r.found}, expected {r.expected}" for r in failed)

    def content(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        fields = ("name", "found", "expected", "passed")
        rules = [{f: getattr(rule, f) for f in fields} for rule in self.rules]
        verdict = {"passed": self.passed, "why": self.why}
        return verdict | {"rules": rules, "notes": self.notes}

    def markdown(self) -> str:
        """Return it as a table for a pull request."""
        verdict = "passes" if self.passed else "does **not** pass"
        lines = [f"### The challenger {verdict} the gate", ""]
        lines += ["| | rule | found | expected |", "|---|---|---|---|"]
        for rule in self.rules:
            cells = [
                "✅" if rule.passed else "❌",
                rule.name,
                rule.found,
                rule.expected,
            ]
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        lines += [f"\n{_cell(note)}" for note in self.notes]
        return "\n".join(lines) + "\n"


def decide(
    challenger: Evaluation,
    champion: Measurement | None,
    checks: Sequence[Check],
    settings: Settings,
) -> Decision:
    """Hold a challenger against the rules.

    Args:
        challenger: How well it does.
        champion: How well the champion does on the same rows; None without one.
        checks: What the audits of the challenger found.
        settings: The limits, under ``gate``.

    Raises:
        ConfigError: If a limit is set for a metric that there is not.
    """
    _check_metrics(challenger, settings)
    rules = [*_thresholds(challenger, settings), _baseline(challenger)]
    if champion is not None:
        rules.append(_not_worse(challenger, champion, settings))
    rules += _slice_floors(challenger, settings)
    rules += [
        Rule(c.name, f"{c.value:.4g}", f"{c.text} {c.limit:g}", c.passed)
        for c in checks
    ]
    return Decision(rules, list(_unmeasured(challenger, settings)))


def _check_metrics(challenger: Evaluation, settings: Settings) -> None:
    """Refuse limits for metrics that the task does not have.

    Raises:
        ConfigError: If there are such limits.
    """
    known = [*challenger.model.scores, *challenger.model.undefined]
    for key in ("thresholds", "slice_floors"):
        for name in getattr(settings.gate, key):
            if name not in known:
                expected = ", ".join(known)
                raise ConfigError(
                    f"{KEY}.{key}: found {name!r}, expected one of: {expected}"
                )


def _thresholds(challenger: Evaluation, settings: Settings) -> Iterator[Rule]:
    """Yield a rule for each metric that has a limit on all test rows."""
    for name, limit in settings.gate.thresholds.items():
        score = challenger.model.scores.get(name)
        yield _limit(METRICS[name].label, name, score.value if score else None, limit)


def _slice_floors(challenger: Evaluation, settings: Settings) -> Iterator[Rule]:
    """Yield a rule for each measured slice.

    The value decides, not its interval: by the worse end of it every small group would
    fail for being small, by the better end it would pass for that. What keeps chance
    out is that a slice of fewer than ``min_slice_rows`` is not measured.
    """
    for name, limit in settings.gate.slice_floors.items():
        for part in challenger.slices:
            if part.measurement is None or name not in part.measurement.scores:
                continue  # nothing is known, as a note says
            value = part.measurement.scores[name].value
            label = f"{METRICS[name].label} where {part.column} is {part.value}"
            yield _limit(label, name, value, limit)


def _unmeasured(challenger: Evaluation, settings: Settings) -> Iterator[str]:
    """Yield which slices each floor could not be held against."""
    for name in settings.gate.slice_floors:
        told = [
            f"{part.column} is {part.value} ({reason})"
            for part in challenger.slices
            if (reason := _reason(part, name)) is not None
        ]
        if told:
            yield f"{METRICS[name].label} was not measured where {', '.join(told)}."


def _reason(part: SliceResult, name: str) -> str | None:
    """Return why a metric of a slice is not known; None if it is."""
    if part.measurement is None:
        return f"{part.rows} rows, too few"
    return part.measurement.undefined.get(name)


def _limit(label: str, name: str, value: float | None, limit: float) -> Rule:
    """Return the rule that a metric is on the right side of a limit."""
    higher = METRICS[name].higher_is_better
    expected = f"{'at least' if higher else 'at most'} {limit:g}"
    if value is None:
        return Rule(label, "not defined on these rows", expected, False)
    passed = value >= limit if higher else value <= limit
    return Rule(label, f"{value:.4g}", expected, passed)


def _baseline(challenger: Evaluation) -> Rule:
    """Return the rule that the challenger is better than a model without features."""
    found = {
        "better": "better",
        "worse": "worse",
        "unclear": "not shown to be better",
    }[challenger.verdict]
    name, expected = "Against the baseline", "better"
    return Rule(name, found, expected, challenger.verdict == "better")


def _not_worse(
    challenger: Evaluation, champion: Measurement, settings: Settings
) -> Rule:
    """Return the rule that the challenger is not worse than the champion.

    The lower end of the paired interval of the difference must not lie below the
    margin, as in a test of non-inferiority.
    """
    name, _ = primary_metric(settings.task)
    label = f"{METRICS[name].label} against the champion"
    gain = improvement(challenger.model, champion, settings)
    if gain is None or gain.low is None or gain.high is None:
        return Rule(label, "no interval on these rows", "an interval", False)
    margin = settings.gate.margin * abs(champion.scores[name].value)
    found = f"{gain.value:+.4g} [{gain.low:+.4g}, {gain.high:+.4g}]"
    expected = f"lower end at least {-margin:.4g}"
    return Rule(label, found, expected, gain.low >= -margin)


def _cell(text: str) -> str:
    """Return text that stays in its cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")

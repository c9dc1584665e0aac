"""The gate: what a challenger must hold to become the champion."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from scipy.stats import norm

from src.evaluation.metrics import METRICS, MIN_BLOCKS, PRIMARY, Measurement, Score
from src.evaluation.metrics import heavy_tail
from src.evaluation.performance import Audit, Evaluation, Rule, improvement
from src.utils.config import Settings
from src.utils.errors import ConfigError


class Decision(NamedTuple):
    """Whether a challenger becomes champion: if all rules hold. The notes say what a
    reader should know besides, such as what was not measured."""

    rules: list[Rule]
    notes: list[str]

    @property
    def passed(self) -> bool:
        return all(rule.passed for rule in self.rules)

    @property
    def why(self) -> str:
        """The reason in one line."""
        failed = [rule for rule in self.rules if not rule.passed]
        told = [f"{r.name}: {r.found}, expected {r.expected}" for r in failed]
        return "; ".join(told) or "all rules of the gate hold"

    def content(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        rules = [rule._asdict() for rule in self.rules]
        verdict = {"passed": self.passed, "why": self.why}
        return {**verdict, "rules": rules, "notes": self.notes}


def decide(
    challenger: Evaluation,
    pair: Sequence[Measurement],
    audits: Sequence[Audit],
    settings: Settings,
) -> Decision:
    """Hold a challenger to ``gate`` of the settings, the rules of its audits, and the
    champion: a ``pair``, if there is one, is how good both are on rows that neither was
    trained on. ConfigError for an unknown metric."""
    gate, model, verdict = settings.gate, challenger.model, challenger.verdict
    known = [*model.scores, *model.undefined]
    for key in ("thresholds", "slice_floors"):
        for name in getattr(gate, key).keys() - {*known}:
            problem = f"found {name!r}, expected one of: {', '.join(known)}"
            raise ConfigError(f"config/pipeline_config.yaml: gate.{key}: {problem}")
    rules = [_limit(name, "", model, limit) for name, limit in gate.thresholds.items()]
    found = challenger.told.removesuffix(" than the baseline")
    if verdict == "unclear":
        found += _needed(model, challenger.improvement, 0, settings)
    rules.append(Rule("Against the baseline", found, "better", verdict == "better"))
    if pair:
        rules.append(_not_worse(pair[0], pair[1], settings))
    notes = list(filter(None, [heavy_tail(challenger.predictions)]))
    for name, limit in gate.slice_floors.items():
        unmeasured = []
        for column, value, _, measured, few in challenger.slices:
            where = f"{column} is {value}"
            if measured is None:
                unmeasured.append(f"{where} ({few}, too few)")
            elif name in measured.undefined:
                unmeasured.append(f"{where} ({measured.undefined[name]})")
            else:
                rules.append(_limit(name, f" where {where}", measured, limit))
        if unmeasured:
            label, which = METRICS[name].label, ", ".join(unmeasured)
            notes.append(f"{label} was not measured where {which}.")
    return Decision(rules + [rule for audit in audits for rule in audit.rules], notes)


def _limit(name: str, where: str, measured: Measurement, limit: float) -> Rule:
    """Return the rule that a metric is on the right side of a limit. Its value decides:
    by an end of the interval every small slice would fail, or pass."""
    label, higher = METRICS[name]
    expected = f"{'at least' if higher else 'at most'} {limit:g}"
    if name not in measured.scores:
        return Rule(label + where, "not defined on these rows", expected, False)
    value = measured.scores[name].value
    passed = METRICS[name].gain(value, limit) >= 0
    return Rule(label + where, f"{value:.4g}", expected, passed)


def _not_worse(model: Measurement, champion: Measurement, settings: Settings) -> Rule:
    """Return the rule that a model is not worse than the champion: as in a test of
    non-inferiority, the paired interval must not reach below the margin."""
    name = PRIMARY[settings.task]
    label = f"{METRICS[name].label} against the champion"
    gain = improvement(model, champion, settings)
    if gain is None or gain.low is None or gain.high is None:
        found = f"no interval{_needed(model, gain, 0, settings)}"
        return Rule(label, found, "an interval", False)
    margin = settings.gate.margin * abs(champion.scores[name].value)
    found = f"{gain.value:+.4g} [{gain.low:+.4g}, {gain.high:+.4g}]"
    if gain.low < -margin <= gain.high:
        found += _needed(model, gain, margin, settings)
    return Rule(label, found, f"lower end at least {-margin:.4g}", gain.low >= -margin)


def _needed(
    model: Measurement, gain: Score | None, margin: float, settings: Settings
) -> str:
    """Say how many rows would do, with a power of 80 %: then the end of the interval is
    0.84 standard errors from the limit (Cohen, "Statistical Power Analysis", 1988)."""
    if gain is None or gain.low is None:
        limits, on = settings.evaluation, model.few or f"{model.rows} rows"
        least = f"{limits.min_slice_rows} rows"
        if settings.task == "classification":
            least += f", {limits.min_class_rows} of each class"
        return f" on {on}, which needs {least}, in {MIN_BLOCKS} groups or days"
    if (distance := margin or gain.value) <= 0:
        return ""
    z = norm.ppf((1 + settings.evaluation.confidence) / 2)
    half = (gain.value - gain.low) * (1 + norm.ppf(0.8) / z)
    needed = model.rows * (half / distance) ** 2
    whose = "a model as good as the champion" if margin else "a gain of this size"
    about = f"{float(f'{needed:.2g}'):,.0f} rows"
    return f"; too few rows to tell: {whose} needs about {about}"

"""What was measured: beside the targets, as a table and as a picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.serving.services import BENTOML, CONSTANT, FRAME, MLFLOW, OURS
from src.utils.visualization import FAINT, INK, MODEL, STYLE

# How many times as fast as another the service is to be.
FASTER = {CONSTANT: 0.75, FRAME: 15.0, BENTOML: 25.0, MLFLOW: 40.0}
P99_MS, START_SECONDS, MEMORY_MB = 10.0, 1.0, 120.0
ROWS_IN_PROCESS, ROWS_OVER_HTTP = 1e6, 5e5


@dataclass(frozen=True)
class Measured:
    """What was measured of a service with a model; None where nothing was.

    Attributes:
        service: The name of the service.
        title: What the table calls it.
        model: The type of the model.
        rate: Requests in a second, at full load.
        p50_ms: The latency that half of the answers had at most, at full load.
        p99_ms: The latency that 99 of 100 answers had at most, at full load.
        part_rate: Requests in a second, at a part of the load.
        part_p99_ms: As ``p99_ms``, at a part of the load.
        memory_mb: What its processes held after the load.
        start_seconds: From its start to the first prediction.
        batch_rate: Rows of tables in a second.
    """

    service: str
    title: str
    model: str
    rate: float
    p50_ms: float
    p99_ms: float
    part_rate: float
    part_p99_ms: float
    memory_mb: float | None
    start_seconds: float
    batch_rate: float | None = None


@dataclass(frozen=True)
class Check:
    """A figure beside its target.

    Attributes:
        name: What was measured.
        found: The figure.
        target: What it is held against.
        unit: Of both.
        at_most: Whether the target is an upper limit.
    """

    name: str
    found: float
    target: float
    unit: str
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure is on the right side of the target."""
        if self.at_most:
            return self.found <= self.target
        return self.found >= self.target

    def __str__(self) -> str:
        """Return the figure, the target and the verdict."""
        side = "at most" if self.at_most else "at least"
        verdict = "met" if self.met else "NOT MET"
        return (
            f"{verdict:<8}{self.name}: {number(self.found)}{self.unit}, "
            f"target {side} {number(self.target)}{self.unit}"
        )


def checks(
    found: Sequence[Measured], batches: Mapping[str, Mapping[str, float]]
) -> Iterator[Check]:
    """Yield each figure that has a target.

    Args:
        found: What was measured of the services.
        batches: Rows in a second ``in process`` and ``over HTTP``, by model.
    """
    others = {(one.service, one.model): one for one in found}
    for ours in (one for one in found if one.service == OURS):
        model = ours.model
        for name, factor in FASTER.items():
            if other := others.get((name, model)):
                times = ours.rate / other.rate
                yield Check(f"{model}, rate beside {other.title}", times, factor, "×")
        part = ours.part_rate / ours.rate
        name = f"{model}, p99 at {part:.0%} of the load"
        yield Check(name, ours.part_p99_ms, P99_MS, " ms", at_most=True)
        name = f"{model}, start to first prediction"
        yield Check(name, ours.start_seconds, START_SECONDS, " s", at_most=True)
        if ours.memory_mb is not None:
            name = f"{model}, memory"
            yield Check(name, ours.memory_mb, MEMORY_MB, " MB", at_most=True)
    targets = {"in process": ROWS_IN_PROCESS, "over HTTP": ROWS_OVER_HTTP}
    for model, rates in batches.items():
        for way, rate in rates.items():
            name = f"{model}, a batch of 10,000 rows {way}"
            yield Check(name, rate, targets[way], " rows/s")


def number(value: float | None) -> str:
    """Return a number with as many digits as say something."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(found: Sequence[Measured]) -> list[str]:
    """Return the lines of a table of the services, model by model."""
    head = ["", "requests/s", "p50 ms", "p99 ms", "p99 at 80 %", "MB", "start s"]
    rows = [head]
    for model in dict.fromkeys(one.model for one in found):
        rows.append([model, *[""] * (len(head) - 1)])
        for one in found:
            if one.model == model:
                latencies = (one.p50_ms, one.p99_ms, one.part_p99_ms)
                rest = (one.memory_mb, one.start_seconds)
                figures = map(number, (one.rate, *latencies, *rest))
                rows.append([f"  {one.title}", *figures])
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join([row[0].ljust(first), *(c.rjust(w) for c, w in zip(row[1:], others))])
        for row in rows
    ]


def content(
    found: Sequence[Measured],
    batches: Mapping[str, Mapping[str, float]],
    missing: Mapping[str, str],
    machine: Mapping[str, Any],
) -> dict[str, Any]:
    """Return everything as JSON has it."""
    return {
        "machine": dict(machine),
        "services": [vars(one) for one in found],
        "batches": {model: dict(rates) for model, rates in batches.items()},
        "not_measured": dict(missing),
        "targets": [
            {**vars(check), "met": check.met} for check in checks(found, batches)
        ],
    }


@mpl.rc_context({**STYLE, "savefig.facecolor": "white"})
def draw(found: Sequence[Measured], path: Path) -> None:
    """Draw the rates of all services, and how far ours is from each target."""
    models = list(dict.fromkeys(one.model for one in found))
    height = 1.2 + 0.34 * len(found)
    figure = Figure(figsize=(8.5, height), layout="constrained")
    axes = figure.subplots(len(models), 1, sharex=True, squeeze=False)[:, 0]
    for place, model in zip(axes, models, strict=True):
        of_model = [one for one in found if one.model == model]
        rates = {one.service: one.rate for one in of_model}
        for y, one in enumerate(of_model):
            colour = MODEL if one.service == OURS else FAINT
            place.barh(y, one.rate, color=colour, height=0.62)
            text = f" {number(one.rate)}" + _beside(one, rates)
            place.text(one.rate, y, text, va="center", color=INK, fontsize=9)
        place.set_yticks(range(len(of_model)), [one.title for one in of_model])
        place.set_title(model)
        place.set_xscale("log")
        place.set_ylim(len(of_model) - 0.5, -0.5)
        place.grid(False, axis="y")
        place.set_xlim(10, 300 * max(one.rate for one in found))
        place.set_xticks([10, 100, 1000, 10_000])
        place.xaxis.set_major_formatter(lambda rate, _: number(rate))
    axes[-1].set_xlabel("requests in a second: one row each, one worker, one core")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _beside(one: Measured, rates: Mapping[str, float]) -> str:
    """Return how many times as fast ours is, beside the target."""
    if one.service not in FASTER or OURS not in rates:
        return ""
    times, target = rates[OURS] / one.rate, FASTER[one.service]
    verdict = "met" if times >= target else "not met"
    return f"   ours {number(times)}×, target {number(target)}×: {verdict}"

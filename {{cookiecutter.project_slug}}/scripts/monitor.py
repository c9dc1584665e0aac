"""Decide whether what the service answered of late is as the model was tested.

    python scripts/monitor.py

Holds the last days of the prediction log against the reference of the version that
answered. Writes ``decision.json``, ``metrics.prom`` for Prometheus, and the tables that
the report is drawn of, to ``monitoring/`` in the reports folder. Its status is 0 if all
is calm, 1 if there is an alarm, 2 if that could not be decided.
"""

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from pandas import DataFrame, notna
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from src.data.schema import DataSchema, load_schema
from src.data.values import NUMERIC
from src.models.registry import Registry, Version
from src.monitoring.drift import Check, check_features, check_predictions, decide
from src.monitoring.performance import check_performance
from src.monitoring.reference import NAME as REFERENCE
from src.monitoring.reference import Reference, load_reference, write_reference
from src.monitoring.settings import load_monitoring_settings
from src.monitoring.window import Window, load_labelled, load_window
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError, ProjectError
from src.utils.files import atomic_path, write_json

STATUS = {"calm": 0, "alarm": 1, "not decidable": 2}


def main() -> None:
    """Parse the command line, decide, and say what was found. What fails is no alarm,
    whose status ``run`` would give it."""
    parser = config_parser("Decide whether what the service answered is as expected.")
    text = "keep the reference of the champion, and decide nothing"
    parser.add_argument("--write-reference", action="store_true", help=text)
    arguments = parser.parse_args()
    try:
        settings = settings_from(arguments)
        if arguments.write_reference:
            registry = Registry(settings)
            if (champion := registry.at("champion")) is None:
                problem = "the registry has no champion"
                raise DataError(f"{problem}; run `make promote` first")
            keep_reference(settings, registry, champion)
            print(f"version {champion.number}: its reference is kept with it")
            return
        decision = monitor(settings)
    except (ProjectError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(STATUS["not decidable"])
    print(f"{decision['verdict']}: {decision['told']}")
    sys.exit(STATUS[decision["verdict"]])


def keep_reference(settings: Settings, registry: Registry, version: Version) -> None:
    """Keep what later windows are held against: of a version that learned predictions,
    its answers to these."""
    schema = load_schema(settings.data.schema_path, settings)
    chosen = load_monitoring_settings(settings, schema)
    asked, _ = load_labelled(settings, chosen, schema)
    write_reference(settings, registry, version, asked)


def monitor(settings: Settings) -> dict[str, Any]:
    """Check the last window, write down what was found, and return the decision."""
    folder = settings.paths.reports / "monitoring"
    (folder / "decision.json").unlink(missing_ok=True)  # it would be of another window
    schema = load_schema(settings.data.schema_path, settings)
    chosen = load_monitoring_settings(settings, schema)
    window, registry = load_window(settings, chosen, schema), Registry(settings)
    version = named(registry, window.version)
    if registry.document(version, REFERENCE) is None:
        try:
            keep_reference(settings, registry, version)
        except DataError as error:
            problem = f"version {version.number} was promoted without a reference"
            raise DataError(f"{problem}, and has none now: {error}") from None
    reference = load_reference(settings, registry, version, schema)
    performance, rows = "not checked", len(window.time)
    checks: list[Check] = []
    is_enough = rows >= chosen.window.min_rows
    if is_enough:
        checks += check_features(
            reference.features, window.features, schema, chosen.alarm
        )
        both = reference.predictions, window.predictions
        checks += check_predictions(*both, chosen.alarm)
        found, performance = check_performance(*both, settings, chosen)
        checks = decide(checks + found, chosen.alarm.rate)
    alarms = sorted((c for c in checks if c.alarm), key=lambda c: -c.effect)
    if not is_enough:
        verdict, told = "not decidable", f"{rows} rows of {chosen.window.min_rows}"
    elif alarms:
        verdict, told = "alarm", "; ".join(map(said, alarms))
    else:
        verdict, told = "calm", f"{len(checks)} checks of {rows} rows found no change"
    record = registry.record(version)
    decision = {
        "verdict": verdict,
        "told": told,
        "version": version.number,
        "version_created": record["created"],
        "from": window.time.min().isoformat(),
        "to": window.time.max().isoformat(),
        "rows": rows,
        "rows_of_other_versions": window.others,
        "labels": int(notna(window.predictions.y_true).sum()),
        "performance": performance,
        "reference_rows": len(reference.features),
        "limits": chosen.alarm.model_dump(),
        "checks": [check._asdict() for check in checks],
        "task": settings.task,
        "positive_class": record.get("positive_class"),
        **layout(schema, reference, window),
    }
    write(decision, reference, window, folder)
    return decision


def named(registry: Registry, version: str) -> Version:
    """Return the version that the service calls by its number, or, where it has a model
    file, by the first digits of its digest."""
    for known in registry.versions():
        if version in (str(known.number), known.sha256[:12]):
            return known
    raise DataError(f"version {version!r} answered, and the registry does not know it")


def said(check: Check) -> str:
    """Return what a check has found, in words."""
    found = f"{check.reference} before, {check.window} now"
    return f"{check.check} of {check.column!r} ({found}, effect {check.effect:.3f})"


def layout(schema: DataSchema, reference: Reference, window: Window) -> dict[str, Any]:
    """Return which columns the tables of the report have."""
    names = [n for n in reference.features.columns if n in window.features.columns]
    kinds = {name: schema.columns[name].type for name in names}
    classes = reference.predictions.classes
    wanted = ["prediction", "actual", "time", *(f"probability of {c}" for c in classes)]
    free = [apart(name, names) for name in wanted]
    return {
        "classes": classes,
        "numbers": [name for name in names if kinds[name] in NUMERIC],
        "categories": [n for n in names if kinds[n] in ("category", "boolean")],
        "dates": [name for name in names if kinds[name] == "date"],
        "columns": dict(zip(wanted[:3], free))
        | {"probabilities": dict(zip(classes, free[3:]))},
    }


def apart(name: str, names: list[str]) -> str:
    """Return a name that is none of others."""
    return apart(f"{name}'", names) if name in names else name


def write(
    decision: dict[str, Any], reference: Reference, window: Window, folder: Path
) -> None:
    """Write the tables of the report, the gauges, and last the decision."""
    shuffled = {  # each by itself, as they are sorted, and a report cuts them in pieces
        name: column.sample(frac=1, random_state=number).to_numpy()
        for number, (name, column) in enumerate(reference.features.items())
    }
    parts = {
        "reference": (DataFrame(shuffled), reference.predictions),
        "window": (window.features, window.predictions),
    }
    columns = decision["columns"]
    for part, (features, said) in parts.items():
        kept = [*decision["numbers"], *decision["categories"], *decision["dates"]]
        table = features[kept].copy()
        table[columns["prediction"]] = said.y_pred
        table[columns["actual"]] = said.y_true
        if said.probabilities is not None:
            for name, share in zip(
                columns["probabilities"].values(), said.probabilities.T, strict=True
            ):
                table[name] = share
        if part == "window":
            table[columns["time"]] = window.time
        with atomic_path(folder / f"{part}.parquet") as partial:
            table.to_parquet(partial)
    write_to_textfile(str(folder / "metrics.prom"), gauges(decision))
    write_json(folder / "decision.json", decision)


def gauges(decision: dict[str, Any]) -> CollectorRegistry:
    """Return the decision as Prometheus takes it: by the textfile collector of its node
    exporter, or from a push gateway."""
    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(f"monitoring_{name}", text, registry=registry).set(value)

    gauge("last_run_timestamp_seconds", "When it was last looked.", time.time())
    gauge("window_rows", "Rows that were looked at.", decision["rows"])
    gauge("labels", "Rows whose label has arrived.", decision["labels"])
    made = datetime.fromisoformat(decision["version_created"]).timestamp()
    gauge("model_created_timestamp_seconds", "When that version was made.", made)
    gauge("decidable", "1 if there were enough rows.", bool(decision["checks"]))
    labels = ["check", "column"]
    for name, text in (
        ("effect", "Share of the rows, or of the score, that changed."),
        ("p_value", "Chance of such an effect if nothing had changed."),
        ("alarm", "1 if it is an alarm."),
    ):
        found = Gauge(f"monitoring_{name}", text, labels, registry=registry)
        for check in decision["checks"]:
            found.labels(check["check"], check["column"]).set(check[name])
    return registry


if __name__ == "__main__":
    run(main)

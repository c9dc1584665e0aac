"""Made-up files as `scripts/monitor.py` of a project leaves them for the report.

    python tests/monitored.py FOLDER '{"classes": 3}'

It is run by the environment that draws, which has the packages.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

NUMBERS = [f"number {i}" for i in range(8)]
CATEGORIES = [f"category {i}" for i in range(5)]
DATE = "seen at"
# What real tables hold, and what trips those who compute statistics of it.
UNSEEN = "</script><script>alert(1)</script>"
ODD = {"number 1": 1.0, "number 2": None, "category 1": "one", "category 2": None}


def write(
    folder: Path, *, classes: int = 2, rows: int = 1_000, labelled: float = 0.5
) -> None:
    """Write both tables and the decision into a folder.

    Args:
        folder: `reports/monitoring/` of a project.
        classes: How many classes there are; 0 for a regression.
        rows: Of each table.
        labelled: Which share of the window has labels.
    """
    folder.mkdir(parents=True)
    names = [f"class {i}" for i in range(classes)]
    columns = {
        "prediction": "prediction",
        "actual": "actual",
        "time": "time",
        "probabilities": {name: f"probability of {name}" for name in names},
    }
    for name, shift in (("reference", 0.0), ("window", 1.0)):
        table = features(np.random.default_rng(len(name)), rows, shift)
        predict(table, names, np.random.default_rng(7))
        if name == "window":
            unlabelled = np.arange(rows) >= labelled * rows
            table["actual"] = table["actual"].mask(unlabelled, None)
            moments = pd.date_range("2026-11-01", periods=rows, freq="min")
            table["time"] = moments.astype("datetime64[us]")
        table.to_parquet(folder / f"{name}.parquet", index=False)
    check = {"reference": "0.01", "window": "<1.00>", "effect": 0.5, "limit": 0.1}
    drift = {"check": "drift", "column": "number 0", "p_value": 1e-12, "alarm": True}
    calm = {"check": "missing", "column": "number 3", "p_value": 0.5, "alarm": False}
    decision = {
        "task": "classification" if classes else "regression",
        "classes": names,
        "positive_class": names[1] if classes == 2 else None,
        "numbers": NUMBERS,
        "categories": [*CATEGORIES, "flag"],
        "dates": [DATE],
        "columns": columns,
        "verdict": "alarm",
        "told": "drift of 'number 0' (<before>, now)",
        "version": 3,
        "from": "2026-11-01T00:00:00",
        "to": "2026-11-02T00:00:00",
        "rows": rows,
        "performance": "measured on 500 labels",
        "checks": [check | drift, check | calm],
    }
    (folder / "decision.json").write_text(json.dumps(decision), encoding="utf-8")


def features(random: np.random.Generator, rows: int, shift: float) -> pd.DataFrame:
    """Return numbers, texts with few and with many values, and dates."""
    table = pd.DataFrame({name: random.normal(size=rows) for name in NUMBERS})
    table["number 0"] += shift
    table.loc[random.random(rows) < 0.1, "number 3"] = None
    for number, name in enumerate(CATEGORIES):
        values = random.integers(0, 3 if number < 4 else rows, rows)
        table[name] = pd.Series(values).map("value {}".format)
    table.loc[random.random(rows) < 0.1, "category 3"] = None
    if shift:
        table.loc[: rows // 10, "category 0"] = UNSEEN
    table["flag"] = random.integers(0, 2, rows).astype(float)
    for name, value in ODD.items():
        kind = "str" if name in CATEGORIES else float
        table[name] = pd.Series([value] * rows, dtype=kind)
    days = pd.to_timedelta(random.integers(0, 365, rows), unit="D")
    table[DATE] = (pd.Timestamp("2025-01-01") + days).astype("datetime64[us]")
    return table


def predict(
    table: pd.DataFrame, classes: list[str], random: np.random.Generator
) -> None:
    """Add predictions, with what really was beside them."""
    score = table["number 0"].to_numpy() + table["number 4"].to_numpy()
    if not classes:
        table["prediction"] = score
        table["actual"] = score + random.normal(size=len(table))
        return
    weights = np.exp(np.outer(score, np.arange(len(classes))) / 2)
    shares = weights / weights.sum(axis=1, keepdims=True)
    for number, name in enumerate(classes):
        table[f"probability of {name}"] = shares[:, number]
    drawn = (random.random((len(table), 1)) > shares.cumsum(axis=1)).sum(axis=1)
    table["prediction"] = np.array(classes)[shares.argmax(axis=1)]
    table["actual"] = np.array(classes)[np.minimum(drawn, len(classes) - 1)]


if __name__ == "__main__":
    write(Path(sys.argv[1]), **json.loads(sys.argv[2]))

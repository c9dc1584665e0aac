"""Draw the monitoring report: what was decided, and below it pictures by NannyML.

    python scripts/monitoring_report.py reports/monitoring

It runs in .venv-monitoring, where src is not installed, and decides nothing: it reads
what scripts/monitor.py wrote to that folder.
"""

import json
import os
import sys
from html import escape
from pathlib import Path
from typing import Any

# NannyML reads it when it is imported, below: nobody is told anything.
os.environ.setdefault("NML_DISABLE_USAGE_LOGGING", "1")

import nannyml as nml  # noqa: E402
import pandas as pd  # noqa: E402

ABOUT = "Version {version}, {rows} rows, {from} to {to}; performance: {performance}."
NOTE = "NannyML looks at each column by itself, in pieces: its alerts decide nothing."
FEW = 10  # values of a number, which make no curve
HEAD = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Monitoring</title>
<style>body {margin: 2em auto; max-width: 70em; font: 16px system-ui}
:is(td, th) {text-align: left; padding: .2em 1em 0 0}</style>"""


def main() -> None:
    """Read what was decided, and of which rows, and write report.html beside it."""
    folder = Path(sys.argv[1])
    found = json.loads((folder / "decision.json").read_text(encoding="utf-8"))
    paths = [folder / f"{part}.parquet" for part in ("reference", "window")]
    page = draw(found, *map(pd.read_parquet, paths))
    partial, report = folder / ".partial-report.html", folder / "report.html"
    partial.write_text(page, encoding="utf-8")
    partial.replace(report)
    print(report)


def draw(found: dict[str, Any], reference: pd.DataFrame, window: pd.DataFrame) -> str:
    """Return the page: the decision, and below it the figures of NannyML."""
    columns, ten = found["columns"], min(10, len(window))
    pieces = {"chunker": nml.CountBasedChunker(ten, incomplete="append")}
    window = window.sort_values(columns["time"])
    names = [columns["prediction"], *columns["probabilities"].values()]
    names += found["numbers"] + found["categories"]
    full = [n for n in names if reference[n].count() and window[n].count()]
    values = {n: min(reference[n].nunique(), window[n].nunique()) for n in full}
    curves = [n for n in full if reference[n].dtype.kind == "f" and values[n] > FEW]
    texts = [name for name in full if name not in curves]
    drift = nml.UnivariateDriftCalculator(full, treat_as_categorical=texts, **pieces)
    moved = drift.fit(reference).calculate(window)
    # Of categories the distance alone: NannyML puts bars of both tables at one place.
    kinds = {name: "distribution" if name in curves else "drift" for name in full}
    figures = [moved.filter(column_names=[n]).plot(kinds[n]) for n in full]
    figures = performance(found, reference.copy(), window.copy(), pieces) + figures
    told = [found["told"], ABOUT.format(**found), NOTE]
    if left_out := [str(n) for n in reference if n not in [*full, columns["actual"]]]:
        told.append(f"Not drawn, as dates or without values: {', '.join(left_out)}.")
    text = "".join(f"<p>{escape(line)}</p>" for line in told)
    checks = sorted(found["checks"], key=lambda check: not check["alarm"])
    style: Any = {"index": False, "border": 0, "float_format": "{:.3g}".format}
    table = pd.DataFrame(checks).to_html(**style)
    top = f"{HEAD}<h1>Monitoring: {found['verdict']}</h1>{text}{table}"
    first, *others = (figure.to_html for figure in figures)
    rest = (draw(full_html=False, include_plotlyjs=False) for draw in others)
    return "".join([top, first(full_html=False, include_plotlyjs=True), *rest])


def performance(
    found: dict[str, Any], reference: pd.DataFrame, window: pd.DataFrame, pieces: Any
) -> list[Any]:
    """Return figures of the performance: estimated, of classes, and where labels are.
    No error of numbers is, as no row of the reference has its own features."""
    said, actual = found["columns"]["prediction"], found["columns"]["actual"]
    how: dict[str, Any] = {"y_pred": said, "y_true": actual, **pieces}
    how |= {"problem_type": "regression", "metrics": ["rmse"]}
    figures = []
    if scores := found["columns"]["probabilities"]:
        how |= {"problem_type": "classification_multiclass", "metrics": ["roc_auc"]}
        how["y_pred_proba"] = scores
        if positive := found["positive_class"]:
            how["problem_type"] = "classification_binary"
            how["y_pred_proba"] = scores[positive]
            for part in (reference, window):  # which then has 1 for this class
                for name in (said, actual):
                    is_it = part[name].eq(positive).astype(float)
                    part[name] = is_it.where(part[name].notna())
        figures = [nml.CBPE(**how).fit(reference).estimate(window).plot()]
    known = window.dropna(subset=[actual])
    if known[actual].nunique() > 1:
        measured = nml.PerformanceCalculator(**how).fit(reference).calculate(known)
        figures.append(measured.plot())
    return figures


if __name__ == "__main__":
    main()

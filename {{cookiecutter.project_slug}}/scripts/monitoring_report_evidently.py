"""Draw the monitoring report: what was decided, and below it pictures by Evidently.

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

# Evidently reads it when it is imported, below: nobody is told anything.
os.environ.setdefault("DO_NOT_TRACK", "1")

import pandas as pd  # noqa: E402
from evidently import BinaryClassification, DataDefinition, Dataset  # noqa: E402
from evidently import MulticlassClassification, Regression, Report  # noqa: E402
from evidently.metrics import ValueDrift  # noqa: E402
from evidently.presets import ClassificationPreset, DataSummaryPreset  # noqa: E402
from evidently.presets import RegressionPreset  # noqa: E402

ABOUT = "Version {version}, {rows} rows, {from} to {to}; performance: {performance}."
NOTE = "What Evidently says below of a column decides nothing: it tests each by itself."
MOST = 30  # values of a category that are drawn; the others are one
STYLE = """<title>Monitoring</title><style>#decision {margin: 2em auto; max-width: 70em;
font: 16px system-ui} #decision :is(td, th) {text-align: left; padding: .2em 1em 0 0}
</style>"""


def main() -> None:
    """Read what was decided, and of which rows, and write report.html beside it."""
    folder = Path(sys.argv[1])
    found = json.loads(harmless((folder / "decision.json").read_text(encoding="utf-8")))
    parts = [read(folder / f"{part}.parquet") for part in ("reference", "window")]
    partial, report = folder / ".partial-report.html", folder / "report.html"
    partial.write_text(draw(found, *parts), encoding="utf-8")
    partial.replace(report)
    print(report)


def harmless(text: str) -> str:
    """Return a text that ends no script: Evidently writes it into one as it is."""
    return text.replace("<", "‹")


def read(path: Path) -> pd.DataFrame:
    """Return a table; its texts are of anybody who has sent a request."""
    table = pd.read_parquet(path).rename(columns=harmless)
    for name in map(str, table.select_dtypes("str")):
        table[name] = table[name].map(harmless, na_action="ignore")
    return table


def draw(found: dict[str, Any], reference: pd.DataFrame, window: pd.DataFrame) -> str:
    """Return the page: the decision, and below it the report of Evidently."""
    texts = dict.fromkeys(found["categories"], "str")  # of booleans, too
    reference, window = reference.astype(texts), window.astype(texts)
    for name in found["categories"]:
        rare = pd.concat([reference[name], window[name]]).value_counts().index[MOST:]
        for part in (reference, window):
            part[name] = part[name].mask(part[name].isin(rare), "(others)")
    said, actual = found["columns"]["prediction"], found["columns"]["actual"]
    numbers = [*found["columns"]["probabilities"].values(), *found["numbers"]]
    categories, task = found["categories"], dict[str, Any]()
    if found["task"] == "regression":
        numbers, quality = [said, *numbers], RegressionPreset()
        task["regression"] = [Regression(target=actual, prediction=said)]
    else:
        categories, quality = [said, *categories], ClassificationPreset()
        both = {"target": actual, "prediction_labels": said}
        two = BinaryClassification(**both, pos_label=found["positive_class"])
        many = MulticlassClassification(**both)
        task["classification"] = [two if found["positive_class"] else many]
    full = [n for n in reference if reference[n].count() and window[n].count()]
    numbers, categories = ([n for n in k if n in full] for k in (numbers, categories))
    metrics: list[Any] = [ValueDrift(column=name, method="ks") for name in numbers]
    metrics += [ValueDrift(column=n, method="jensenshannon") for n in categories]
    metrics += [quality] if window[actual].nunique() > 1 else []
    kinds = {"numerical_columns": numbers, "categorical_columns": categories}
    definition = DataDefinition(**kinds, **task)
    used = [name for name in full if name not in found["dates"]]  # it fails with these
    sets = [Dataset.from_pandas(part[used], definition) for part in (window, reference)]
    page = Report([*metrics, DataSummaryPreset()]).run(*sets).get_html_str(False)
    told = [found["told"], ABOUT.format(**found), NOTE]
    if left_out := [str(name) for name in reference if name not in used]:
        told.append(f"Not drawn, as dates or without values: {', '.join(left_out)}.")
    text = "".join(f"<p>{escape(line)}</p>" for line in told)
    checks = sorted(found["checks"], key=lambda check: not check["alarm"])
    style: Any = {"index": False, "border": 0, "float_format": "{:.3g}".format}
    table = pd.DataFrame(checks).to_html(**style)
    top = f"<h1>Monitoring: {found['verdict']}</h1>{text}{table}"
    page = page.replace("<head>", f"<head>{STYLE}", 1)
    return str(page.replace("<body>", f'<body><div id="decision">{top}</div>', 1))


if __name__ == "__main__":
    main()

"""The evaluation as one web page for people, which needs no other file, and one JSON
file for programs. The same model and the same rows give the same bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from src.evaluation.gate import Decision
from src.evaluation.metrics import METRICS, PRIMARY, Measurement, Predictions
from src.evaluation.metrics import heavy_tail
from src.evaluation.performance import Audit, Evaluation, Inputs, near_training
from src.utils import visualization as draw
from src.utils.config import PROJECT_ROOT, Settings
from src.utils.files import sha256_of, write_json, write_text
from src.utils.markdown import escape
from src.utils.visualization import to_svg

MAX_CLASSES, MAX_CURVES = 15, 6
SHOWN = ("created", "code_revision", "positive_class")  # of the model's record
# Few enough for a table whose lines are slices.
SLICE_METRICS = ("roc_auc", "balanced_accuracy", "f1_macro", "rmse", "mae", "r2")


def write_report(
    evaluation: Evaluation,
    audits: Sequence[Audit],
    inputs: Inputs,
    settings: Settings,
    decision: Decision | None = None,
) -> dict[str, Any]:
    """Write all files of the report, with what the gate says; return its content."""
    content = summarise(evaluation, audits, inputs, settings)
    pictures, reports = model_pictures(evaluation.predictions), settings.paths.reports
    html = render(
        "report.html.j2",
        content=content,
        settings=settings,
        schema=inputs.schema,
        search=inputs.record["search"],
        slice_metrics=[name for name in SLICE_METRICS if name in content["metrics"]],
        pictures=pictures,
        audits=audits,
        decision=decision,
    )
    write_json(reports / "evaluation.json", content)
    write_text(reports / "evaluation.html", html)
    values = {name: score["value"] for name, score in content["metrics"].items()}
    write_json(reports / "metrics.json", values)
    (reports / "plots").mkdir(exist_ok=True)  # even if nothing can be drawn
    for name, picture in pictures.items():
        write_text(reports / "plots" / f"{name}.svg", picture)
    return content


def render(template: str, **content: Any) -> str:
    """Return a template of this folder with its content; HTML is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": format_number, "score": format_score}
    environment.filters["cell"] = lambda value: escape(str(value))  # of Markdown
    return environment.get_template(template).render(info=METRICS, **content)


def summarise(
    evaluation: Evaluation, audits: Sequence[Audit], inputs: Inputs, settings: Settings
) -> dict[str, Any]:
    """Return the evaluation as JSON can hold it; every number in it is finite."""
    record, better = inputs.record, evaluation.improvement
    shown = settings.evaluation.model_dump(include={"confidence", "bootstrap_samples"})
    data, path, file = record["data"], inputs.test_path.resolve(), inputs.test_path.name
    if path.is_relative_to(PROJECT_ROOT):  # the same on every machine
        file = path.relative_to(PROJECT_ROOT).as_posix()
    return {
        "project": settings.project.name,
        "task": settings.task,
        "primary_metric": PRIMARY[settings.task],
        "verdict": evaluation.verdict,
        "told": evaluation.told,
        "contradicting": evaluation.contradicting,
        "heavy_tail": heavy_tail(evaluation.predictions),
        "improvement": better._asdict() if better else None,
        "metrics": _scores(evaluation.model),
        "undefined": evaluation.model.undefined,
        "baseline": _scores(evaluation.baseline),
        "classes": evaluation.classes,
        "slices": [
            {"column": column, "value": value, "rows": rows, "few": few}
            | {"metrics": found and _scores(found)}
            | {"undefined": found and found.undefined}
            for column, value, rows, found, few in evaluation.slices
        ],
        "audits": {
            name: {"rules": [rule._asdict() for rule in rules]}
            | {"tables": [table._asdict() for table in tables]}
            | found
            for name, tables, _, rules, found in audits
        },
        "intervals": shown | {"seed": settings.seed},
        "model": {"type": record["model_type"], "sha256": record["model_sha256"]}
        | {name: record.get(name) for name in SHOWN},
        "data": {
            **{key: data[key] for key in ("source_sha256", "removed", "account")},
            **{f"train_{k}": data["files"]["train.csv"][k] for k in ("sha256", "rows")},
            "test_file": file,
            "test_sha256": sha256_of(path),
            "test_rows": evaluation.model.rows,
            "split_by": data.get("split_by", "position"),
            "near_training": near_training(inputs),
        },
    }


def format_number(value: float | None) -> str:
    """Write a number as precisely as a reader can use it; a dash if there is none."""
    if value is None:
        return "–"
    size = abs(value)
    if size >= 10:
        return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}"
    return f"{value:.3f}" if size >= 0.001 or size == 0 else f"{value:.1e}"


def format_score(score: Mapping[str, Any]) -> str:
    """Write a value with its interval, if it has one."""
    value, low, high = (format_number(score[key]) for key in ("value", "low", "high"))
    return value if score["low"] is None else f"{value} [{low}, {high}]"


def model_pictures(p: Predictions) -> dict[str, str]:
    """Return the pictures for the task, without those that need what is not there."""
    if p.task == "regression":
        kinds = "actual_vs_predicted", "residual_vs_predicted"
        return {k: to_svg(draw.prediction_error(p.y_true, p.y_pred, k)) for k in kinds}
    pictures, names = {}, np.array(p.classes, dtype=object)
    labels = sorted({*p.y_true, *p.y_pred, *p.classes})
    if len(labels) <= MAX_CLASSES:  # more are told by the table of the classes
        matrix = draw.confusion_matrix(p.y_true, p.y_pred, labels)
        pictures["confusion_matrix"] = to_svg(matrix)
    if p.probabilities is None:
        return pictures
    first = 1 if len(names) == 2 else 0  # the positive one of two, else all
    masks = {k: p.y_true == names[k] for k in range(first, len(names))}
    usable = [k for k, mask in masks.items() if 0 < mask.sum() < len(mask)]
    usable.sort(key=lambda k: -masks[k].sum())
    sides = {names[k]: (masks[k], p.probabilities[:, k]) for k in usable[:MAX_CURVES]}
    for kind in ("roc_curve", "precision_recall_curve") if sides else ():
        pictures[kind] = to_svg(draw.curves(sides, kind))
    best, subject = p.probabilities.argmax(axis=1), "the predicted class"
    if len(names) == 2:
        best, subject = np.ones_like(best), names[1]
    probability = p.probabilities[np.arange(len(best)), best]
    calibration = draw.calibration_curve(p.y_true == names[best], probability, subject)
    return pictures | {"calibration": to_svg(calibration)}


def _scores(measured: Measurement) -> dict[str, Any]:
    return {name: score._asdict() for name, score in measured.scores.items()}

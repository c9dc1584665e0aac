"""The evaluation as one web page for people and one JSON file for programs.

The page holds everything it shows: it needs no other file and no network,
and can be sent as it is. Neither file holds the time of writing, so the same model and
the same rows give the same bytes.
"""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from src.data.schema import DataSchema
from src.evaluation.bootstrap import Measurement, Score
from src.evaluation.metrics import METRICS, primary_metric
from src.evaluation.performance import Evaluation, SliceResult
from src.evaluation.pictures import (
    Picture,
    make_pictures,
    search_pictures,
    slice_picture,
)
from src.models.artifact import Record
from src.utils.config import PROJECT_ROOT, Settings, Task
from src.utils.files import sha256_of, write_json, write_text
from src.utils.visualization import for_dark_page

if TYPE_CHECKING:  # these look at reports in their turn
    from src.audits.audit import Audit
    from src.evaluation.gate import Decision

TEMPLATE = "report.html.j2"
WIDE_INCHES = 5.0

# Few enough for a table whose lines are slices.
SLICE_METRICS: dict[Task, tuple[str, ...]] = {
    "classification": ("roc_auc", "balanced_accuracy", "f1_macro"),
    "regression": ("rmse", "mae", "r2"),
}


@dataclass(frozen=True)
class Subject:
    """Which model was evaluated, on which rows.

    Attributes:
        record: The record of the model.
        schema: The data contract.
        test_path: The file of the test rows.
        audits: What the audits of it found.
    """

    record: Record
    schema: DataSchema
    test_path: Path
    audits: "Sequence[Audit]" = ()


class Report(NamedTuple):
    """A report that was written.

    Attributes:
        page: The file for people.
        summary: The file for programs.
        content: What programs read in it.
        pictures: What the page shows of the whole model, drawn for whoever needs it.
    """

    page: Path
    summary: Path
    content: dict[str, Any]
    pictures: list[Picture]


def write_report(
    evaluation: Evaluation,
    subject: Subject,
    settings: Settings,
    decision: "Decision | None" = None,
) -> Report:
    """Write ``evaluation.json`` and ``evaluation.html`` to the reports folder.

    Args:
        evaluation: How well the model does.
        subject: Which model it is.
        settings: How it was measured.
        decision: What the gate says of it, if it was asked.

    Returns:
        The files, and what is in them.
    """
    content = summarise(evaluation, subject, settings)
    pictures = make_pictures(evaluation, settings.evaluation.confidence)
    page = settings.paths.reports / "evaluation.html"
    report = Report(page, page.with_suffix(".json"), content, pictures)
    write_json(report.summary, content)
    write_text(page, _render(evaluation, report, subject, settings, decision))
    return report


def summarise(
    evaluation: Evaluation, subject: Subject, settings: Settings
) -> dict[str, Any]:
    """Return the evaluation as JSON can hold it; every number in it is finite."""
    record, chosen = subject.record, settings.evaluation
    data = record["data"]
    better = evaluation.improvement
    return {
        "project": settings.project.name,
        "task": settings.task,
        "primary_metric": primary_metric(settings.task)[0],
        "verdict": evaluation.verdict,
        "improvement": better._asdict() if better else None,
        "metrics": _scores(evaluation.model),
        "undefined": evaluation.model.undefined,
        "baseline": _scores(evaluation.baseline),
        "classes": [asdict(result) for result in evaluation.classes],
        "slices": [_slice(result) for result in evaluation.slices],
        "audits": {audit.name: audit.summary() for audit in subject.audits},
        "intervals": {
            "confidence": chosen.confidence,
            "bootstrap_samples": chosen.bootstrap_samples,
            "seed": settings.seed,
        },
        "model": {
            "type": record["model_type"],
            "sha256": record["model_sha256"],
            "created": record["created"],
            "code_revision": record["code_revision"],
        },
        "data": {
            "source_sha256": data["source_sha256"],
            "train_sha256": data["files"]["train.csv"]["sha256"],
            "train_rows": data["files"]["train.csv"]["rows"],
            "test_file": _shown(subject.test_path),
            "test_sha256": sha256_of(subject.test_path),
            "test_rows": evaluation.model.rows,
        },
    }


def format_number(value: float | None) -> str:
    """Write a number as precisely as a reader can use it; a dash if there is none."""
    if value is None:
        return "–"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 0.001 or size == 0:
        return f"{value:.3f}"
    return f"{value:.1e}"


def format_score(score: Score) -> str:
    """Write a metric with its interval, if it has one."""
    text = format_number(score.value)
    if score.low is None:
        return text
    return f"{text} [{format_number(score.low)}, {format_number(score.high)}]"


def _scores(measurement: Measurement) -> dict[str, dict[str, float | None]]:
    """Return the metrics with their intervals as JSON can hold them."""
    return {name: score._asdict() for name, score in measurement.scores.items()}


def _slice(result: SliceResult) -> dict[str, Any]:
    """Return the result for a slice as JSON can hold it."""
    measured = result.measurement
    return {
        "column": result.column,
        "value": result.value,
        "rows": result.rows,
        "actual": result.actual,
        "predicted": result.predicted,
        "metrics": _scores(measured) if measured else None,
        "undefined": measured.undefined if measured else None,
    }


def _render(
    evaluation: Evaluation,
    report: Report,
    subject: Subject,
    settings: Settings,
    decision: "Decision | None",
) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": format_number, "score": format_score}
    columns = dict.fromkeys(result.column for result in evaluation.slices)
    return environment.get_template(TEMPLATE).render(
        content=report.content,
        description=settings.project.description,
        schema=subject.schema,
        evaluation=evaluation,
        info=METRICS,
        primary=report.content["primary_metric"],
        confidence=f"{settings.evaluation.confidence:.0%}",
        min_rows=settings.evaluation.min_slice_rows,
        level=_level(evaluation),
        slice_metrics=SLICE_METRICS[settings.task],
        pictures=[_embed(picture) for picture in report.pictures],
        columns={name: _embed(slice_picture(evaluation, name)) for name in columns},
        search=subject.record.get("search"),
        search_pictures=[_embed(p) for p in search_pictures(subject.record)],
        audits=[(a, [_embed(p) for p in a.pictures]) for a in subject.audits],
        decision=decision,
    )


def _level(evaluation: Evaluation) -> str | None:
    """Say what ``actual`` and ``predicted`` of a slice are; None if they are not."""
    predictions = evaluation.predictions
    if predictions.task == "regression":
        return "mean"
    if len(predictions.classes) == 2:
        return f"share of {predictions.classes[1]}"
    return None


def _embed(picture: Picture | None) -> dict[str, Any] | None:
    """Return a picture as addresses that contain it, for light and for dark pages."""
    if picture is None:
        return None
    return {
        "light": _data_url(picture.svg),
        "dark": _data_url(for_dark_page(picture.svg)),
        "alt": picture.alt,
        "caption": picture.caption,
        "wide": picture.figure.get_figwidth() > WIDE_INCHES,
    }


def _data_url(svg: str) -> str:
    """Return an address that contains the picture itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _shown(path: Path) -> str:
    """Write a path within the project as it is elsewhere too: relative to it."""
    whole = path.resolve()
    if whole.is_relative_to(PROJECT_ROOT):
        return whole.relative_to(PROJECT_ROOT).as_posix()
    return whole.name

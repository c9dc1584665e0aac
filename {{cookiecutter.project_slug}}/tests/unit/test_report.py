"""The report is one page that needs nothing else, and one JSON file."""

import json
import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from src.data.schema import DataSchema
from src.evaluation.bootstrap import Score, measure
from src.evaluation.metrics import Predictions, primary_metric
from src.evaluation.performance import ClassResult, Evaluation, SliceResult
from src.evaluation.pictures import make_pictures, search_pictures
from src.evaluation.report import Subject, format_number, format_score, write_report
from src.utils.config import Task
from tests.fixtures.synthetic import make_settings

PROJECT_NAME = 'Wines & "spirits" <fine> 日本'
VOID = {"meta", "img", "source", "br"}


class Page(HTMLParser):
    """Collects what a page shows and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.alts: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        values = {name: value or "" for name, value in attrs}
        self.loaded += [values[k] for k in ("src", "srcset", "href") if k in values]
        if tag == "img":
            self.alts.append(values["alt"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def predictions_of(classes: tuple[str, ...], rows: int) -> Predictions:
    """Return random predictions; a regression without classes."""
    rng = np.random.default_rng(0)
    if not classes:
        truth = rng.normal(size=rows)
        return Predictions("regression", truth, truth + rng.normal(0, 0.3, rows))
    names = np.array(classes, dtype=object)
    truth = rng.integers(len(classes), size=rows)
    scores = rng.random((rows, len(classes))) + np.eye(len(classes))[truth]
    scores /= scores.sum(axis=1, keepdims=True)
    guess = scores.argmax(axis=1)
    return Predictions("classification", names[truth], names[guess], scores, classes)


def evaluation_of(predictions: Predictions) -> Evaluation:
    """Return an evaluation with a measured, a small and a one-class slice."""
    whole = measure(predictions, 0.95, 20, seed=0)
    one = predictions.select(predictions.y_true == predictions.y_true[0])
    level = None if len(predictions.classes) > 2 else 0.5
    slices = [
        SliceResult("city", "Oslo <b>", whole.rows, level, level, whole),
        SliceResult("city", "Lima", 3, level, level, None),
        SliceResult(
            "city", "Rome", len(one.y_true), level, level, measure(one, 0.95, 20, 0)
        ),
    ]
    labels = predictions.classes
    classes = [ClassResult(label, 5, 0.5, 0.25, 1 / 3) for label in labels]
    return Evaluation(predictions, whole, whole, None, classes, slices)


def search_of(task: Task, **changed: Any) -> dict[str, Any]:
    """Return what a record says of a search: a failed, a pruned, complete trials."""
    values = {"fail": None, "pruned": 0.5, "complete": 0.75}
    trials = [
        {"number": n, "params": {"alpha": 1.0}, "value": value, "state": state}
        for n, (state, value) in enumerate([*values.items(), ("complete", 0.625)])
    ]
    higher = primary_metric(task)[1]
    return {
        "metric": primary_metric(task)[0],
        "trials": trials,
        "best": trials[2 if higher else 3],
        "importances": {"alpha": 1.0},
        **changed,
    }


Writer = Callable[..., tuple[str, Any]]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """A function that returns the page and the JSON; drawn once for all tests."""
    folder = tmp_path_factory.mktemp("report")

    @cache
    def write_files(
        classes: tuple[str, ...], rows: int, searched: bool = False
    ) -> tuple[str, Any]:
        predictions = predictions_of(classes, rows)
        project = {"name": PROJECT_NAME, "description": "About $5 & <more>."}
        settings = make_settings(folder, predictions.task, project=project)
        test_path = folder / "test.csv"
        test_path.write_text("rows", encoding="utf-8")
        record = {
            "model_type": "linear",
            "model_sha256": "a" * 64,
            "created": "2026-01-02T03:04:05+00:00",
            "code_revision": "c0ffee",
            "data": {
                "source_sha256": "5" * 64,
                "files": {"train.csv": {"sha256": "7" * 64, "rows": 1234}},
            },
        }
        if searched:
            record["search"] = search_of(predictions.task)
        columns = {"x": {"type": "number"}, "y": {"type": "category", "role": "target"}}
        schema = DataSchema.model_validate({"name": "n", "columns": columns})
        report = write_report(
            evaluation_of(predictions), Subject(record, schema, test_path), settings
        )
        page = report.page.read_text("utf-8")
        return page, json.loads(report.summary.read_text("utf-8"))

    return write_files


# As usual, and with so few rows that curves, intervals or metrics are missing.
@pytest.mark.parametrize(
    ("classes", "rows"),
    [(("no", "yes"), 60), (("no", "yes"), 1), (("a", "b", "c"), 4), ((), 1)],
)
def test_the_page_is_whole_and_loads_nothing(
    write: Writer, classes: tuple[str, ...], rows: int
) -> None:
    text, content = write(classes, rows)
    page = Page(text)
    assert page.open == []
    assert page.loaded
    assert all(url.startswith("data:image/svg+xml;base64,") for url in page.loaded)
    assert not re.search(r"@import|url\(|<script|<link", text)
    assert all(page.alts)
    assert f"On {rows} test row" in page.words
    assert content["data"]["test_rows"] == rows


def test_the_page_names_project_model_data_and_revision(write: Writer) -> None:
    text, _ = write(("no", "yes"), 60)
    words = Page(text).words
    facts = [PROJECT_NAME, "linear", "c0ffee", "5" * 64, "7" * 64, "1,234", "a" * 64]
    for fact in facts:
        assert fact in words


def test_names_from_the_data_are_text_not_markup(write: Writer) -> None:
    text, _ = write(("no", "yes"), 60)
    assert "Oslo <b>" in Page(text).words
    assert "<b>Oslo" not in text and "Oslo <b>" not in text


def test_the_json_has_metrics_baseline_slices_and_reasons(write: Writer) -> None:
    _, content = write(("no", "yes"), 60)
    assert content["project"] == PROJECT_NAME
    assert content["metrics"]["roc_auc"].keys() == {"value", "low", "high"}
    assert content["baseline"].keys() == content["metrics"].keys()
    whole, small, one_class = content["slices"]
    assert whole["metrics"]["accuracy"] == content["metrics"]["accuracy"]
    assert small["metrics"] is None
    assert one_class["undefined"]["roc_auc"] == "all rows are of one class"
    assert content["data"]["test_file"] == "test.csv"


def test_the_same_evaluation_gives_the_same_bytes(write: Any) -> None:
    assert write.__wrapped__((), 1) == write((), 1)


def test_a_classifier_without_probabilities_has_a_confusion_matrix_only() -> None:
    with_scores = predictions_of(("no", "yes"), 30)
    plain = Predictions("classification", with_scores.y_true, with_scores.y_pred)
    (picture,) = make_pictures(evaluation_of(plain), 0.95)
    assert picture.alt.startswith("Confusion matrix of 2 classes")


def test_rare_classes_share_a_line_of_the_confusion_matrix() -> None:
    many = predictions_of(tuple(f"class {i:02}" for i in range(25)), 200)
    first = make_pictures(evaluation_of(many), 0.95)[0]
    assert first.alt.startswith("Confusion matrix of 20 classes")


@pytest.mark.parametrize(
    ("classes", "best"),
    [(("no", "yes"), "ROC AUC 0.75"), ((), "RMSE 0.625")],
)
def test_the_report_of_a_searched_model_shows_the_search(
    write: Writer, classes: tuple[str, ...], best: str
) -> None:
    page = Page(write(classes, 60, True)[0])

    history, importances = page.alts[-2:]
    assert history == (
        f"Trials of the search: 2 complete, 1 pruned, 1 failed; the best has {best}."
    )
    assert importances == "Importance of hyperparameters: alpha 100%."
    assert "4 trials on folds of the training rows" in page.words


def test_a_report_without_a_search_does_not_speak_of_one(write: Writer) -> None:
    text, _ = write(("no", "yes"), 60)

    assert "search" not in text.lower()
    assert search_pictures({}) == search_pictures({"search": None}) == []


@pytest.mark.parametrize(
    ("task", "best"), [("classification", 0.75), ("regression", 0.625)]
)
def test_the_history_of_a_search_knows_which_value_is_better(
    task: Task, best: float
) -> None:
    history, _ = search_pictures({"search": search_of(task)})

    line = history.figure.axes[0].lines[-1]
    assert line.get_label() == "best so far"
    assert line.get_xydata()[-1].tolist() == [3, best]


def test_a_search_in_which_nothing_mattered_has_a_history_only() -> None:
    (history,) = search_pictures({"search": search_of("regression", importances={})})

    assert history.name == "search_history"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.91234, "0.912"),
        (0.0, "0.000"),
        (-12.34, "-12.3"),
        (1234567.8, "1,234,568"),
        (0.00001234, "1.2e-05"),
        (None, "–"),
    ],
)
def test_numbers_are_as_precise_as_readers_need(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_a_score_is_shown_with_its_interval() -> None:
    assert format_score(Score(0.5, 0.4, 0.6)) == "0.500 [0.400, 0.600]"
    assert format_score(Score(0.5, None, None)) == "0.500"

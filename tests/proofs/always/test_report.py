"""Pictures and numbers of the report; the team's own tests have the rest."""

import numpy as np
import pytest

from src.evaluation.metrics import Predictions
from src.evaluation.performance import Audit, Rule, Table, evaluate, load_inputs
from src.evaluation.report import format_number, model_pictures, write_report
from src.utils.visualization import bar_chart, to_svg
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import train_model


def test_the_pictures_are_those_that_the_predictions_allow() -> None:
    labels = np.array([f"class {i:02}" for i in range(25)] * 4, dtype=object)
    p = Predictions("classification", labels, labels[::-1], None, tuple(labels[:25]))
    assert model_pictures(p) == {}  # a matrix of so many classes shows nothing
    half, names = np.full((4, 2), 0.5), np.array(["a", "b", "a", "$b"], dtype=object)
    two = Predictions("classification", names, names, half, ("a", "b"))
    expected = [
        "confusion_matrix",
        "roc_curve",
        "precision_recall_curve",
        "calibration",
    ]
    assert list(model_pictures(two)) == expected
    one = two.take(names == "a")
    assert list(model_pictures(one)) == ["confusion_matrix", "calibration"]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_report_has_its_audits_and_the_same_bytes_each_time(
    make_project: ProjectMaker, task: str
) -> None:
    settings = make_project(task)
    model = train_model(settings)
    inputs = load_inputs(model, settings.paths.processed / "test.csv", settings)
    rules = [Rule("limit", "0.3", "at most 0.2", False)]
    tables = [Table("a table", ["head"], [["<i>cell</i>"]])]
    audit = Audit("an audit", tables, {}, rules, {"figure": 1})
    found: list[tuple[bytes, bytes]] = []
    for _ in range(2):
        content = write_report(evaluate(inputs, settings), [audit], inputs, settings)
        files = (settings.paths.reports / f"evaluation.{x}" for x in ("html", "json"))
        found.append(tuple(file.read_bytes() for file in files))
    assert found[0] == found[1]
    page = found[0][0].decode()
    assert "<h2>An audit</h2>" in page and "&lt;i&gt;cell&lt;/i&gt;" in page
    assert "not held" in page and content["audits"]["an audit"]["figure"] == 1


def test_a_figure_is_drawn_alike_and_shows_any_label_as_it_is() -> None:
    drawn = [to_svg(bar_chart({"$x_1$ <b> 中": 1.0}, "t", "l")) for _ in range(2)]
    assert drawn[0] == drawn[1] and "$x_1$ &lt;b&gt; 中" in drawn[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (12345.6, "12,346"),
        (12.34, "12.3"),
        (0.1234, "0.123"),
        (1e-5, "1.0e-05"),
    ],
)
def test_numbers_are_as_precise_as_readers_need(value: float | None, text: str) -> None:
    assert format_number(value) == text

"""The gap between groups is found, and held against the limits that are set."""

import json
from pathlib import Path

import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest

from src.audits import fairness
from src.audits.audit import Audit, AuditContext
from src.audits.settings import AuditSettings, load_audit_settings
from src.data.schema import DataSchema
from src.evaluation.metrics import Predictions
from src.utils.config import Settings, Task
from src.utils.errors import ConfigError
from tests.fixtures.synthetic import make_settings

SIZE = 100


def audited(
    monkeypatch: pytest.MonkeyPatch,
    predictions: Predictions,
    groups: list[str | None],
    sensitive: tuple[str, ...] = ("group",),
    **limits: float,
) -> Audit:
    """Return the audit of predictions whose rows are of these groups."""
    task: Task = predictions.task
    kind = "category" if task == "classification" else "number"
    columns = {"x": {"type": "number"}, "group": {"type": "category"}}
    columns["outcome"] = {"type": kind, "role": "target"}
    schema = DataSchema.model_validate(
        {"name": "made up", "sensitive": [*sensitive], "columns": columns}
    )
    chosen = AuditSettings.model_validate(
        {"fairness": {"limits": limits, "bootstrap_samples": 20}}
    )
    monkeypatch.setattr(fairness, "load_audit_settings", lambda: chosen)
    rows = pd.DataFrame({"group": pd.Series(groups, dtype="str")})
    past = rows.assign(group="only in training")
    context = AuditContext(None, past, rows, schema, predictions)
    return fairness.audit(context, settings_of(task))


def settings_of(task: Task) -> Settings:
    """Return settings that nothing is written with."""
    return make_settings(Path("unused"), task)


def labels(shares: dict[str, float]) -> Predictions:
    """Return labels of which each group has a share predicted ``yes``."""
    said = np.concatenate(
        [np.where(np.arange(SIZE) < SIZE * s, "yes", "no") for s in shares.values()]
    ).astype(object)
    truth = np.tile(np.array(["yes", "no"], dtype=object), len(said) // 2)
    return Predictions("classification", truth, said, None, ("no", "yes"))


def groups_of(*names: str | None) -> list[str | None]:
    """Return a group of each row."""
    return [name for name in names for _ in range(SIZE)]


def test_a_known_gap_between_groups_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = audited(monkeypatch, labels({"a": 0.8, "b": 0.3}), groups_of("a", "b"))
    result = found.content["columns"]["group"]
    assert result["groups"]["a"]["selection_rate"]["value"] == pytest.approx(0.8)
    gap = result["differences"]["selection_rate"]
    assert gap["value"] == pytest.approx(0.5)
    assert 0.3 < gap["low"] < 0.5 < gap["high"] < 0.7
    assert (gap["most"], gap["least"]) == ("a", "b")
    json.dumps(found.summary(), allow_nan=False)


def test_the_tables_show_each_group_and_which_two_differ_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = audited(monkeypatch, labels({"a": 0.8, "b": 0.3}), groups_of("a", "b"))
    groups, differences = found.tables
    assert [row[:2] for row in groups.rows] == [["a", "100"], ["b", "100"]]
    assert groups.rows[0][2].startswith("0.800 [")
    shown = {row[0]: row[1:] for row in differences.rows}
    value, between = shown["demographic parity difference"]
    assert value.startswith("0.500 [") and between == "a above b"
    assert "equalized odds difference" in shown


def test_rates_and_named_differences_are_those_of_fairlearn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(1)
    names = np.array(["no", "yes"], dtype=object)
    truth, said = names[random.integers(2, size=(2, 3 * SIZE))]
    groups = groups_of("a", "b", "c")
    predictions = Predictions("classification", truth, said, None, ("no", "yes"))
    result = audited(monkeypatch, predictions, groups).content["columns"]["group"]
    y_true, y_pred = truth == "yes", said == "yes"
    for name in ("demographic_parity_difference", "equalized_odds_difference"):
        expected = getattr(fairlearn.metrics, name)(
            y_true, y_pred, sensitive_features=groups
        )
        assert result["differences"][name]["value"] == pytest.approx(expected)
    for name in ("true_positive_rate", "false_positive_rate"):
        expected = getattr(fairlearn.metrics, name)(y_true[:SIZE], y_pred[:SIZE])
        assert result["groups"]["a"][name]["value"] == pytest.approx(expected)
    for _, *scores in (found.values() for found in result["groups"].values()):
        assert all(score["low"] < score["value"] < score["high"] for score in scores)


def test_samples_of_a_part_of_many_rows_give_no_wider_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widths = []
    for rows in (20_000, SIZE // 5):
        monkeypatch.setattr("src.evaluation.bootstrap.SAMPLE_ROWS", rows)
        found = audited(monkeypatch, labels({"a": 0.8, "b": 0.3}), groups_of("a", "b"))
        gap = found.content["columns"]["group"]["differences"]["selection_rate"]
        widths.append(gap["high"] - gap["low"])
    whole, part = widths
    assert 0.5 < part / whole < 1.7


def test_the_interval_of_a_difference_holds_zero_where_it_may_be_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = audited(monkeypatch, labels({"a": 0.5, "b": 0.52}), groups_of("a", "b"))
    gap = found.content["columns"]["group"]["differences"]["selection_rate"]
    assert gap["low"] < 0 < gap["value"] < gap["high"]
    assert (gap["most"], gap["least"]) == ("b", "a")


def test_equalized_odds_are_no_chance_where_one_of_the_two_rates_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # By group: 10 rows that are yes, 90 that are no, and how many are said to be yes.
    parts = [(6, 10), (40, 90), (3, 10), (18, 90)]
    said = np.concatenate([np.arange(rows) < found for found, rows in parts])
    truth = np.tile(np.repeat([True, False], [10, 90]), 2)
    names = np.array(["no", "yes"], dtype=object)
    predictions = Predictions(
        "classification",
        names[truth.astype(int)],
        names[said.astype(int)],
        None,
        ("no", "yes"),
    )
    found = audited(monkeypatch, predictions, groups_of("a", "b"))
    differences = found.content["columns"]["group"]["differences"]
    larger, smaller, both = (
        differences[name]
        for name in (
            "true_positive_rate",
            "false_positive_rate",
            "equalized_odds_difference",
        )
    )
    assert both["value"] == larger["value"] == pytest.approx(0.3)
    assert larger["low"] < 0 < smaller["low"] <= both["low"]


@pytest.mark.parametrize(
    ("measure", "value"),
    [("demographic_parity_difference", 0.5), ("equalized_odds_difference", 0.5)],
)
def test_a_limit_can_be_set_on_a_named_difference(
    monkeypatch: pytest.MonkeyPatch, measure: str, value: float
) -> None:
    said, groups = labels({"a": 0.75, "b": 0.25}), groups_of("a", "b")
    limit = {measure: 0.4}
    (broken,) = audited(monkeypatch, said, groups, **limit).checks
    assert not broken.passed
    assert broken.name == f"{measure.replace('_', ' ')} by group"
    assert broken.value == pytest.approx(value, abs=0.05)
    (held,) = audited(monkeypatch, said, groups, **{measure: 0.6}).checks
    assert held.passed


def test_missing_is_a_group_and_small_groups_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = labels({"a": 0.8, "missing": 0.3})
    groups = groups_of("a", None)
    groups[:5] = ["rare"] * 5
    found = audited(monkeypatch, said, groups)
    assert set(found.content["columns"]["group"]["groups"]) == {"a", "(missing)"}
    assert "30 test rows" in found.intro


def test_a_rate_without_rows_to_count_makes_no_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said, groups = labels({"a": 0.8, "b": 0.3}), groups_of("a", "b")
    said.y_true[SIZE:] = "no"
    found = audited(monkeypatch, said, groups, true_positive_rate=0.9)
    result = found.content["columns"]["group"]
    assert result["groups"]["b"]["true_positive_rate"]["value"] is None
    for name in ("true_positive_rate", "equalized_odds_difference"):
        assert result["differences"][name]["value"] is None
    assert not found.checks[0].passed


def test_errors_of_a_regression_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.linspace(0, 1, 2 * SIZE)
    said = truth + np.repeat([1.0, -3.0], SIZE)
    predictions = Predictions("regression", truth, said)
    found = audited(monkeypatch, predictions, groups_of("a", "b"))
    differences = found.content["columns"]["group"]["differences"]
    assert differences["mean_absolute_error"]["value"] == pytest.approx(2)
    assert differences["mean_error"]["value"] == pytest.approx(4)


def test_accuracy_of_many_classes_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.array(["x", "y", "z", "y"] * (SIZE // 2), dtype=object)
    said = np.where(np.arange(2 * SIZE) < SIZE, truth, "y")
    predictions = Predictions("classification", truth, said, None, ("x", "y", "z"))
    found = audited(monkeypatch, predictions, groups_of("a", "b"))
    gap = found.content["columns"]["group"]["differences"]["accuracy"]
    assert gap["value"] == pytest.approx(0.5)


def test_one_group_is_compared_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = audited(monkeypatch, labels({"a": 0.5}), groups_of("a"))
    assert found.content == {"columns": {}}
    assert "No sensitive column" in found.intro


def test_without_sensitive_columns_it_is_said_where_to_list_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = audited(monkeypatch, labels({"a": 1.0}), groups_of("a"), sensitive=())
    assert "listed as sensitive in config/data_schema.yaml" in found.intro


def test_a_limit_of_what_is_not_measured_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match="fairness.limits: found 'mean_error'"):
        audited(monkeypatch, labels({"a": 1.0}), groups_of("a"), mean_error=1)


def test_a_setting_that_is_not_valid_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "responsible_ai_config.yaml"
    path.write_text("fairness: {limit: {}}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_audit_settings(path)
    assert str(path) in str(error.value)
    assert "fairness.limit: unknown key" in str(error.value)

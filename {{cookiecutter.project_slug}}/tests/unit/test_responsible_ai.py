"""What the audits say of a model: what it goes by, and how it treats groups."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.columns import to_schema_types
from src.evaluation import audits
from src.evaluation.audits import AuditSettings, run_audits
from src.evaluation.fairness import compare
from src.evaluation.metrics import Predictions, predict
from src.evaluation.performance import Audit, Inputs
from src.training.train import ModelTrainer
from src.utils.config import Settings, read_settings
from src.utils.errors import ConfigError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import make_frame, make_schema, make_settings

NAMES = np.array(["no", "yes"], dtype=object)


def inputs_of(settings: Settings) -> Inputs:
    """Return a fitted pipeline, and rows whose column ``city`` is sensitive."""
    schema = make_schema(settings.task).model_copy(update={"sensitive": ["city"]})
    rows = to_schema_types(make_frame(settings.task, 400), schema)
    trainer = ModelTrainer(settings, schema)
    model = trainer.train(trainer.build_model(), trainer.preprocess(rows[:300]))
    return Inputs(model.pipeline, {}, schema, rows[:300], rows[300:], Path())


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("audited")
    return inputs_of(make_settings(folder, "classification"))


def audited(
    inputs: Inputs, settings: Settings, monkeypatch: pytest.MonkeyPatch, **limits: Any
) -> tuple[Audit, Audit]:
    """Return explanation and fairness of a model under limits."""
    chosen = audits.AuditSettings.model_validate(limits)
    monkeypatch.setattr(audits, "read_settings", lambda *_: chosen)
    target = inputs.test[inputs.schema.target]
    said = predict(inputs.pipeline, inputs.test, target, settings.task)
    _, explanation, fairness = run_audits(inputs, said, settings)
    return explanation, fairness


def test_groups_are_compared_by_their_rates_and_the_largest_difference() -> None:
    truth = NAMES[[1, 1, 0, 0, 1, 1, 0, 0]]
    said = NAMES[[1, 1, 1, 0, 1, 0, 0, 0]]
    groups = pd.Series([*"aaaabbbb"])
    p = Predictions("classification", truth, said, None, ("no", "yes"))
    found = compare(p, groups, confidence=0.95)
    a = found["groups"]["a"]
    assert a["rows"] == 4 and a["selection_rate"]["value"] == 0.75
    assert a["true_positive_rate"]["value"] == a["true_positive_rate"]["high"] == 1
    assert a["false_positive_rate"]["value"] == 0.5
    gap = found["differences"]["true_positive_rate"]
    assert (gap["value"], gap["most"], gap["least"]) == (0.5, "a", "b")
    differences = found["differences"]
    assert differences["demographic_parity_difference"]["value"] == 0.5
    assert differences["equalized_odds_difference"]["value"] == 0.5


def test_a_limit_on_groups_is_held_or_not_and_small_groups_are_left_out(
    inputs: Inputs, make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_project(evaluation={"min_slice_rows": 26, "min_class_rows": 5})
    for limit in (0.001, 0.999):
        limits = {"limits": {"selection_rate": limit}}
        _, fairness = audited(inputs, settings, monkeypatch, fairness=limits)
        (rule,) = fairness.rules
        assert rule.name == "difference of selection rate by city"
        assert rule.passed is (limit > 0.5)
        assert [*fairness.content["columns"]["city"]["groups"]] == [
            "Cairo",
            "Lima",
            "Oslo",
        ]
    with pytest.raises(ConfigError, match="fairness.limits: found 'mean_error'"):
        wrong = {"limits": {"mean_error": 1}}
        audited(inputs, settings, monkeypatch, fairness=wrong)


def test_what_the_model_goes_by_is_ranked_and_told(
    inputs: Inputs, make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = audited(inputs, make_project(), monkeypatch)
    assert next(iter(found.content["shares"])) == "income"
    assert sum(found.content["shares"].values()) == pytest.approx(1)
    assert "importance" in found.pictures


def test_settings_are_valid_or_named_with_their_file(tmp_path: Path) -> None:
    assert read_settings(AuditSettings, [audits.AUDIT_CONFIG]).fairness is not None
    path = tmp_path / "responsible_ai_config.yaml"
    path.write_text("fairness: {limit: {}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="fairness.limit: unknown key"):
        read_settings(AuditSettings, [path])

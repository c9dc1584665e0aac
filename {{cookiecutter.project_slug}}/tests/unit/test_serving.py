"""What every service has: its settings, rows, tables, the export of a model, the model
and the champion."""

import io
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from src.data.preprocessing import load_processed, preprocess
from src.models import export
from src.models.artifact import (
    copy_model,
    load_model,
    load_onnx,
    load_record,
    record_path,
)
from src.models.registry import Version
from src.serving import tables
from src.serving.champion import Champion, NoModel
from src.serving.model import Model
from src.serving.schemas import row_model, values_of
from src.serving.settings import ServingSettings, check_address, load_serving_settings
from src.training.train import train
from src.utils import config
from src.utils.config import Settings, load_settings
from src.utils.errors import ConfigError, ProjectError
from src.utils.files import write_json
from tests.conftest import ProjectMaker
from tests.fixtures.serving import ROW, SCHEMA, served_settings
from tests.fixtures.synthetic import bring, make_frame, train_model

ROWS = row_model(SCHEMA)
CSV = tables.CSV


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of settings beside a .env file of its own, and no variables."""
    monkeypatch.setattr(config, "ENV_FILE", tmp_path / ".env")
    for name in ServingSettings.model_fields:
        monkeypatch.delenv(f"SERVING_{name.upper()}", raising=False)
    path = tmp_path / "serving_config.yaml"
    path.write_text("port: 1\nmax_rows: 1\nalias: staging\n", encoding="utf-8")
    return path


def test_an_unknown_key_or_a_wrong_value_is_refused_with_its_source(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.write_text("prot: 1\n", encoding="utf-8")
    monkeypatch.setenv("SERVING_MAX_ROWS", "many")
    with pytest.raises(ConfigError) as refused:
        load_serving_settings(written)
    assert f"{written}: prot: unknown key" in str(refused.value)
    assert "environment: max_rows: found 'many'" in str(refused.value)


def test_a_port_in_use_is_told_in_a_line_that_names_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ProjectError, match=f"port {port} of .* SERVING_PORT"):
            check_address(ServingSettings(port=port))


@pytest.mark.parametrize(
    ("column", "given", "read_as"),
    [
        ("age", [40.0, " 4e1 "], [40, 40]),
        ("income", ["3", float("nan"), "None"], [3.0, None, None]),
        ("city", [" Oslo\t", "NA", "None"], ["Oslo", None, "None"]),
        ("city", [3.0, "00501"], ["3", "00501"]),
        ("member", ["Yes", 0, "1.0"], [True, False, True]),
        ("signed up", ["2024-05-01T01:00:00+02:00"], [datetime(2024, 4, 30, 23)]),
        ("signed up", [datetime(2024, 5, 1).date()], [datetime(2024, 5, 1)]),
    ],
)
def test_values_are_read_as_training_reads_them(
    column: str, given: list[Any], read_as: list[object]
) -> None:
    for value, expected in zip(given, read_as, strict=True):
        (row,) = values_of(ROWS.model_validate({**ROW, column: value}))
        assert row[column] == expected


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A project with a trained model, in a folder of its own."""
    folder = tmp_path_factory.mktemp("trained")
    settings = served_settings(folder)
    make_frame("classification").to_csv(folder / "source.csv", index=False)
    bring(settings)
    served_settings(folder)  # its schema is the stricter one
    preprocess(settings)
    train(settings)
    return settings


def latest(settings: Settings) -> Path:
    return settings.paths.models / "latest_model.joblib"


@pytest.mark.parametrize(
    ("runtime", "positive", "other"),
    [("onnxruntime", "yes", "no"), ("scikit-learn", "no", "yes")],
)
def test_a_model_answers_as_the_pipeline_does(
    trained: Settings, tmp_path: Path, runtime: str, positive: str, other: str
) -> None:
    path = tmp_path / "model.joblib"
    for file in latest(trained).parent.glob("latest_model.*"):
        path.with_suffix(file.suffix).write_bytes(file.read_bytes())
    tuned = {"decision_threshold": 0.6, "positive_class": positive}
    record = load_record(path) | tuned
    if runtime == "scikit-learn":
        record["export"] = {"verified": False, "reason": "none"}
    write_json(record_path(path), record)
    model = Model.load(path, "1", SCHEMA, ROWS)
    assert (model.runtime, model.classes) == (runtime, ("no", "yes"))
    raw = pd.read_csv(trained.paths.data / "raw" / "source.csv", dtype=str)
    content = raw.to_csv(index=False).encode()
    answer = tables.predict(content, CSV, CSV, model, ROWS, 1000)
    found = pd.read_csv(io.BytesIO(answer))
    expected = load_model(path)[0].predict_proba(raw)
    np.testing.assert_allclose(found.iloc[:, 1:], expected, atol=1e-4)
    is_positive = found[f"probability of {positive}"] >= 0.6
    assert found["prediction"].eq(positive).equals(is_positive)
    assert set(found["prediction"]) == {positive, other}


class Versions(dict[str, Version]):
    """What the service sees of a registry: aliases, and one folder of files."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings

    def at(self, alias: str) -> Version | None:
        return self.get(alias)

    def fetch(self, version: Version) -> Path:
        return self.folder / f"{version.number}.joblib"

    def name(self, alias: str, number: int) -> None:
        """Let an alias name a copy of the latest model."""
        version = Version(number, "")
        copy_model(latest(self.settings), self.fetch(version))
        self[alias] = version


def champion_of(settings: Settings, **serving: Any) -> Champion:
    chosen = ServingSettings.model_validate(serving)
    return Champion(settings, chosen, SCHEMA, ROWS)


def test_the_champion_is_followed_and_a_damaged_one_leaves_the_old_one(
    trained: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = Versions(tmp_path, trained)
    monkeypatch.setattr("src.serving.champion.Registry", lambda settings: registry)
    champion = champion_of(trained, alias="staging")
    champion.refresh()
    champion.refresh()
    with pytest.raises(NoModel, match="the log says why"):
        champion.loaded()
    assert caplog.text.count("`make release ENV=staging` names one") == 1

    registry.name("staging", 1)
    champion.start()
    champion.stop()
    first = champion.loaded()
    champion.refresh()
    assert (first.version, champion.loaded()) == ("1", first)

    registry.name("staging", 2)
    path = registry.fetch(registry["staging"]).with_suffix(".onnx")
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    champion.refresh()
    assert champion.loaded() is first
    assert "digest" in caplog.text
    path.write_bytes(content)
    champion.refresh()
    assert champion.loaded().version == "2"


SMALL: dict[str, dict[str, Any]] = {
    "linear": {},
    "random_forest": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 5},
}


@pytest.mark.parametrize("kind", SMALL)
def test_an_export_is_kept_with_the_model_that_it_answers_as(
    make_project: ProjectMaker, kind: str
) -> None:
    task, model = load_settings().task, {"type": kind, "params": SMALL[kind]}
    path = train_model(make_project(task, model=model))

    content, record = load_onnx(path)
    assert record["export"]["rows"] == record["data"]["files"]["train.csv"]["rows"]
    assert record["export"]["max_difference"] < 1e-5
    described = onnxruntime.InferenceSession(content).get_modelmeta()
    assert '"signed up: month"' in described.custom_metadata_map["features"]
    labels = '["no", "yes"]' if task == "classification" else "[]"
    assert described.custom_metadata_map["classes"] == labels


def test_an_export_that_answers_otherwise_is_left_out_with_the_figures(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = make_project(), export._run
    pipeline, _ = load_model(train_model(settings))
    rows = load_processed(settings, "train")

    for wrong in (0.001, np.nan):
        monkeypatch.setattr(export, "_run", lambda *given: run(*given) + wrong)
        content, record = export.make_export(pipeline, rows)
        assert content is None and record is not None
        assert record["reason"].startswith(
            f"on {len(rows)} rows the largest difference"
        )

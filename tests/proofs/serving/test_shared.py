"""What every service shares, in detail."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from src.data.preprocessing import preprocess
from src.models.artifact import load_record
from src.serving import tables
from src.serving.champion import Champion
from src.serving.schemas import row_model
from src.serving.settings import ServingSettings, load_serving_settings
from src.training.train import train
from src.utils import config
from src.utils.config import Settings
from tests.fixtures.serving import ROW, SCHEMA, made_up_model, served_settings
from tests.fixtures.synthetic import bring, make_frame

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


def test_keys_are_separated_by_commas_and_not_shown(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_project = load_serving_settings(config.CONFIG_DIR / "serving_config.yaml")
    assert of_project.keys == []
    monkeypatch.setenv("SERVING_API_KEY", "007, other ,")
    found = load_serving_settings(written)
    assert found.keys == [b"007", b"other"]
    assert "007" not in repr(found)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("age", value) for value in (17, 80, 40.5, "1_0", None, 1e400, [40])],
        *[("income", value) for value in ("much", 1e39, 10**400)],
        *[("city", value) for value in ([1], {})],
        *[("member", value) for value in ("on", 2, "", 0.5)],
        *[("signed up", value) for value in ("soon", "2023-12-31", 20240501)],
        ("signed up", "0001-01-01T00:00:00+14:00"),
        ("agee", 40),
    ],
)
def test_a_wrong_value_is_refused_with_its_column(column: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        ROWS.model_validate({**ROW, column: value})
    assert [error["loc"] for error in refused.value.errors()] == [(column,)]


def test_a_wrong_value_of_a_table_is_named_with_its_row() -> None:
    rows = pd.DataFrame([ROW] * 1200 + [{**ROW, "age": 7}])  # more than a chunk
    content, model = rows.to_csv(index=False).encode(), made_up_model()
    with pytest.raises(tables.InvalidTable) as refused:
        tables.predict(content, CSV, CSV, model, ROWS, 2000)
    assert [p["loc"] for p in refused.value.problems] == [("body", 1200, "age")]
    with pytest.raises(tables.InvalidTable, match="1 to 999 rows"):
        tables.predict(content, CSV, CSV, model, ROWS, 999)


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


def test_answers_name_categories_that_the_schema_does_not_list() -> None:
    model = made_up_model()
    first, second, third = model.predict(
        [ROW, ROW | {"city": "Rome"}, ROW | {"city": None}]
    )
    shares = {"no": 0.25, "yes": 0.75}
    assert first == {"prediction": "yes", "probabilities": shares, "unknown": []}
    assert (second["unknown"], third["unknown"]) == (["city"], [])
    (number,) = made_up_model(classes=()).predict([ROW])
    assert number == {"prediction": 40.0, "unknown": []}


def champion_of(settings: Settings, **serving: Any) -> Champion:
    chosen = ServingSettings.model_validate(serving)
    return Champion(settings, chosen, SCHEMA, ROWS)


def test_a_model_file_is_followed_without_the_registry(trained: Settings) -> None:
    champion = champion_of(trained, model_path=latest(trained))
    champion.refresh()
    digest = load_record(latest(trained))["model_sha256"]
    assert champion.loaded().version == digest[:12]

"""Settings: their sources, their order, and what is said about a mistake."""

import json
import logging
from pathlib import Path

import pytest

from src.utils import config
from src.utils.config import CONFIG_DIR, LoggingSettings, load_settings
from src.utils.errors import ConfigError
from src.utils.logging import setup_logging

PIPELINE = CONFIG_DIR / "pipeline_config.yaml"
MODEL = CONFIG_DIR / "model_config.yaml"


@pytest.fixture(autouse=True)
def no_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.env` of the test's own, empty until it is written."""
    env_file = tmp_path / ".env"
    monkeypatch.setattr(config, "ENV_FILE", env_file)
    monkeypatch.delenv("MLOPS_ENV", raising=False)
    return env_file


@pytest.fixture
def env_config(tmp_path: Path) -> Path:
    path = tmp_path / "test.yaml"
    path.write_text("logging: {level: WARNING}\nseed: 1\n")
    return path


def test_a_variable_sets_one_key_and_leaves_its_neighbours(
    env_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_settings(PIPELINE, MODEL, env_config)
    monkeypatch.setenv("MLOPS_EVALUATION__SLICES", "[a, b]")
    after = load_settings(PIPELINE, MODEL, env_config)
    assert after.evaluation.slices == ["a", "b"]
    assert after.evaluation.confidence == before.evaluation.confidence


def test_an_empty_mapping_empties_a_section(
    env_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings(PIPELINE, MODEL, env_config).model.params
    monkeypatch.setenv("MLOPS_MODEL__PARAMS", "{}")
    assert load_settings(PIPELINE, MODEL, env_config).model.params == {}


def test_the_environment_is_chosen_by_a_variable(
    no_dotenv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    read_yaml = config.read_yaml
    monkeypatch.setattr(
        config, "read_yaml", lambda path: read.append(path.name) or read_yaml(path)
    )
    load_settings()
    no_dotenv.write_text("MLOPS_ENV=staging\n")
    load_settings()
    monkeypatch.setenv("MLOPS_ENV", "prod")
    load_settings()
    assert read[2::3] == ["dev.yaml", "staging.yaml", "prod.yaml"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeed: 1", "seeed: unknown key"),
        ("seed: many", "seed: found 'many', expected a valid integer"),
        ("logging: {level: LOUD}", "logging.level: found 'LOUD', expected 'DEBUG'"),
        (
            "logging: {colour: red}",
            "logging.colour: unknown key, expected one of level, format",
        ),
        ("- a", "found a list"),
        ("a: [", "expected a file of YAML"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_found_and_expected(
    env_config: Path, text: str, expected: str
) -> None:
    env_config.write_text(f"{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(PIPELINE, MODEL, env_config)
    message = str(caught.value)
    assert str(env_config) in message
    assert expected in message
    assert "\n" not in message


def test_a_missing_key_names_the_files_it_may_stand_in(env_config: Path) -> None:
    with pytest.raises(ConfigError, match=r"test\.yaml or .*: task: Field required"):
        load_settings(env_config, MODEL, env_config)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read \(No such"):
        load_settings(PIPELINE, MODEL, tmp_path / "no.yaml")


def test_an_empty_file_changes_nothing(env_config: Path) -> None:
    env_config.write_text("")
    assert config.read_yaml(env_config) == {}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MLOPS_LOGGING__LEVEL": "LOUD"}, "environment: logging.level: found 'LOUD'"),
        ({"MLOPS_LOGING__LEVEL": "INFO"}, "environment: loging: unknown key"),
        ({"MLOPS_SEED": "[1"}, r"environment: seed: found '\[1', expected"),
        (
            {"MLOPS_SEED": "1", "MLOPS_SEED__X": "2"},
            "environment: seed: found .*, expected a valid integer",
        ),
    ],
)
def test_a_mistake_in_a_variable_is_one_line(
    env_config: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    expected: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=expected):
        load_settings(PIPELINE, MODEL, env_config)


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(PIPELINE, MODEL, CONFIG_DIR / "env/dev.yaml")
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 7


def test_logs_can_be_json_for_machines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    setup_logging(LoggingSettings(format="json"))
    logging.getLogger("test").error("went wrong", exc_info=ValueError("broken"))
    entry = json.loads(capsys.readouterr().err)
    assert (entry["level"], entry["message"]) == ("ERROR", "went wrong")
    assert "ValueError: broken" in entry["exception"]

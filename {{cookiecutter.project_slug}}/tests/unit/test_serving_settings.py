"""Where the settings of the service come from, and what they may be."""

import os
from pathlib import Path

import pytest

from src.serving import settings as module
from src.serving.settings import load_serving_settings
from src.utils.errors import ConfigError


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file; beside it, ``.env`` may be written."""
    for name in [name for name in os.environ if name.startswith("SERVING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(module, "ENV_FILE", tmp_path / ".env")
    path = tmp_path / "serving_config.yaml"
    path.write_text("port: 8001\n", encoding="utf-8")
    return path


def test_the_shipped_file_is_valid() -> None:
    assert load_serving_settings().host == "127.0.0.1"


def test_the_environment_wins_over_dotenv_and_that_over_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_serving_settings(config).port == 8001
    env_file = config.with_name(".env")
    env_file.write_text("SERVING_PORT=8002\nSERVING_API_KEY=\n", encoding="utf-8")
    assert load_serving_settings(config).port == 8002
    assert load_serving_settings(config).api_key is None
    monkeypatch.setenv("SERVING_PORT", "8003")
    assert load_serving_settings(config).port == 8003


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("prt: 1", "prt: unknown key"),
        ("port: many", "port: found 'many'"),
        ("unknown_categories: guess", "'answer' or 'refuse'"),
    ],
)
def test_a_setting_that_is_not_valid_is_named_with_its_file(
    config: Path, line: str, said: str
) -> None:
    config.write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_serving_settings(config)
    assert str(config) in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_api_key_is_not_shown(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_API_KEY", "hidden")
    assert "hidden" not in repr(load_serving_settings(config))

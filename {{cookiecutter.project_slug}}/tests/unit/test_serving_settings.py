"""Where the settings of the service come from, and what they may be."""

import os
from pathlib import Path

import pytest

from src.serving import settings as module
from src.serving.settings import load_serving_settings
from src.utils.config import PROJECT_ROOT
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
        ("challenger: on", "found True, expected 'off', 'shadow' or 'canary'"),
        ("challenger_share: 1.1", "challenger_share: found 1.1"),
        ("challenger_key: 'a: b'", "challenger_key: found 'a: b'"),
        ("refresh_seconds: 0", "refresh_seconds: found 0"),
        ("drain_seconds: .inf", "drain_seconds: found inf"),
        ("max_in_flight: 0", "max_in_flight: found 0"),
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


@pytest.mark.parametrize("text", ["off", "'off'", "no"])
def test_a_challenger_that_is_off_need_not_be_quoted(config: Path, text: str) -> None:
    config.write_text(f"challenger: {text}", encoding="utf-8")
    assert load_serving_settings(config).challenger == "off"


def test_the_file_of_keys_lies_in_the_project_unless_its_path_is_absolute(
    config: Path,
) -> None:
    config.write_text("api_keys_file: keys", encoding="utf-8")
    assert load_serving_settings(config).api_keys_file == PROJECT_ROOT / "keys"
    config.write_text("api_keys_file: /run/keys", encoding="utf-8")
    assert load_serving_settings(config).api_keys_file == Path("/run/keys")


def test_the_api_key_is_not_shown(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_API_KEY", "hidden")
    assert "hidden" not in repr(load_serving_settings(config))

"""Settings, and what all commands share."""

from pathlib import Path

import pytest

from src.utils import config
from src.utils.cli import run
from src.utils.config import CONFIG_DIR, load_settings
from src.utils.errors import ConfigError, reported
from src.utils.files import atomic_path


@pytest.fixture(autouse=True)
def no_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own `.env` counts, not that of the user."""
    monkeypatch.setattr(config, "ENV_FILE", tmp_path / ".env")


def test_the_files_of_the_project_are_valid() -> None:
    for environment in ("dev", "staging", "prod"):
        env_config = CONFIG_DIR / "env" / f"{environment}.yaml"
        assert load_settings(env_config=env_config).paths.models.is_absolute()


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_config = tmp_path / "test.yaml"
    env_config.write_text("model: {params: {}}\nseed: 1\n")
    assert load_settings(env_config=env_config).seed == 1
    dotenv = "MLOPS_SEED=2\nMLOPS_EVALUATION__SLICES=[a, b]\nOTHER=x\n"
    (tmp_path / ".env").write_text(dotenv)
    assert load_settings(env_config=env_config).seed == 2
    monkeypatch.setenv("MLOPS_SEED", "3")
    settings = load_settings(env_config=env_config)
    assert settings.seed == 3
    assert settings.evaluation.slices == ["a", "b"]
    assert settings.model.params == {}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("seeed: 1", "seeed: unknown key"),
        ("seed: many", "seed: found 'many', expected a valid integer"),
        ("logging: {colour: red}", "logging.colour: unknown key, expected one of leve"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(
    text: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "test.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(env_config=tmp_path / "test.yaml")
    message = str(caught.value)
    assert str(tmp_path / "test.yaml") in message
    assert expected in message
    assert "\n" not in message


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_mistake_of_the_user_is_one_line_without_passwords() -> None:
    def command() -> None:
        with reported((OSError,), "no server", "start it"):
            raise OSError("not\nhttp://me:secret@host")

    with pytest.raises(SystemExit, match=r"^error: no .* \(not http://me:\*+@host\); "):
        run(command)

"""Releasing a model, going back, and what stays whole when something breaks."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.deployment import main
from src.models import release as module
from src.models.artifact import (
    export_path,
    load_export,
    load_model,
    record_path,
    save_model,
)
from src.models.directory_registry import DirectoryRegistry
from src.models.release import (
    current_model,
    current_release,
    history,
    release,
    roll_back,
)
from src.utils.errors import ConfigError, ModelError


@pytest.fixture
def location(tmp_path: Path) -> Path:
    return tmp_path / "place"


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    return tmp_path / "models" / "latest_model.joblib"


def train(model_path: Path, weight: int) -> None:
    """Stand in for a training: any object that can be saved is a model here."""
    save_model({"weight": weight}, {}, model_path)


def release_weights(
    model_path: Path, location: Path, *weights: int, keep: int = 5
) -> list[str]:
    """Train and release a model for each of ``weights``; return the release names."""
    names = []
    for weight in weights:
        train(model_path, weight)
        names.append(release(model_path, location, keep)[0])
    return names


def weight_in_use(location: Path) -> int:
    weight: int = load_model(current_model(location))[0]["weight"]
    return weight


def test_a_released_model_is_in_use_and_recorded(
    model_path: Path, location: Path
) -> None:
    (name,) = release_weights(model_path, location, 1)
    assert weight_in_use(location) == 1
    (entry,) = history(location)
    assert (entry["action"], entry["release"]) == ("release", name)
    assert entry["previous"] is None
    assert entry["model_sha256"] == load_model(model_path)[1]["model_sha256"]


def test_releasing_the_same_model_again_changes_nothing(
    model_path: Path, location: Path
) -> None:
    train(model_path, 1)
    first, is_new = release(model_path, location, keep=5)
    assert is_new
    assert release(model_path, location, keep=5) == (first, False)
    assert len(history(location)) == 1


def test_a_damaged_release_is_mended_by_releasing_again(
    model_path: Path, location: Path
) -> None:
    release_weights(model_path, location, 1)
    current_model(location).write_bytes(b"broken")
    release_weights(model_path, location, 1)
    assert weight_in_use(location) == 1


def test_a_model_that_is_not_the_recorded_one_is_not_released(
    model_path: Path, location: Path
) -> None:
    release_weights(model_path, location, 1)
    train(model_path, 2)
    model_path.write_bytes(model_path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="digest"):
        release(model_path, location, keep=5)
    assert weight_in_use(location) == 1
    assert len(history(location)) == 1
    assert len(list((location / "releases").iterdir())) == 1


def test_the_verified_export_is_released_with_its_model(
    model_path: Path, location: Path
) -> None:
    save_model({"weight": 1}, {"export": {"verified": True}}, model_path, b"compiled")
    release(model_path, location, keep=5)
    assert load_export(current_model(location))[0] == b"compiled"


def test_a_model_whose_verified_export_is_not_whole_is_not_released(
    model_path: Path, location: Path
) -> None:
    release_weights(model_path, location, 1)
    save_model({"weight": 2}, {"export": {"verified": True}}, model_path, b"compiled")
    export_path(model_path).write_bytes(b"compile")
    with pytest.raises(ModelError, match=r"model\.onnx: digest"):
        release(model_path, location, keep=5)
    export_path(model_path).unlink()
    with pytest.raises(ModelError, match=r"latest_model\.onnx: file not found"):
        release(model_path, location, keep=5)
    assert weight_in_use(location) == 1


@pytest.mark.parametrize("missing", ["model", "record"])
def test_a_missing_file_is_named(
    model_path: Path, location: Path, missing: str
) -> None:
    train(model_path, 1)
    gone = model_path if missing == "model" else record_path(model_path)
    gone.unlink()
    with pytest.raises(ModelError, match=gone.name):
        release(model_path, location, keep=5)
    assert current_release(location) is None


def test_rollback_returns_to_what_was_in_use_before(
    model_path: Path, location: Path
) -> None:
    first, second, third = release_weights(model_path, location, 1, 2, 3)
    assert roll_back(location) == (second, third)
    assert roll_back(location) == (first, second)
    assert weight_in_use(location) == 1
    assert [entry["action"] for entry in history(location)][-2:] == ["rollback"] * 2


def test_rollback_never_returns_to_a_release_that_was_left(
    model_path: Path, location: Path
) -> None:
    release_weights(model_path, location, 1, 2)
    roll_back(location)
    release_weights(model_path, location, 3)
    roll_back(location)
    assert weight_in_use(location) == 1


def test_there_is_nothing_before_the_first_release(
    model_path: Path, location: Path
) -> None:
    with pytest.raises(ModelError, match="nothing released"):
        roll_back(location)
    release_weights(model_path, location, 1)
    with pytest.raises(ModelError, match="first release"):
        roll_back(location)


def test_rollback_refuses_a_damaged_release(model_path: Path, location: Path) -> None:
    first, _ = release_weights(model_path, location, 1, 2)
    (location / "releases" / first / "model.joblib").write_bytes(b"broken")
    with pytest.raises(ModelError, match="digest"):
        roll_back(location)
    assert weight_in_use(location) == 2


def test_only_the_last_releases_are_kept(model_path: Path, location: Path) -> None:
    names = release_weights(model_path, location, 1, 2, 3, 4, keep=2)
    kept = {folder.name for folder in (location / "releases").iterdir()}
    assert kept == set(names[-2:])
    roll_back(location)
    with pytest.raises(ModelError, match="not kept"):
        roll_back(location)


@pytest.mark.parametrize("step", ["load_model", "_note", "write_text", "_prune"])
def test_an_interruption_at_any_step_leaves_a_whole_model_in_use(
    model_path: Path, location: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    release_weights(model_path, location, 1)
    with monkeypatch.context() as patch:
        patch.setattr(module, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            release_weights(model_path, location, 2)
    assert weight_in_use(location) in (1, 2)
    release_weights(model_path, location, 2)
    assert weight_in_use(location) == 2
    roll_back(location)
    assert weight_in_use(location) == 1


def test_a_damaged_history_is_reported(model_path: Path, location: Path) -> None:
    release_weights(model_path, location, 1)
    (location / "releases.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="releases.jsonl"):
        release_weights(model_path, location, 2)


@pytest.fixture
def deploy(
    location: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """The command, as a function of its options, that releases to ``location``."""
    monkeypatch.setenv("MLOPS_DEPLOYMENT__LOCATION", str(location))
    monkeypatch.setenv("MLOPS_PATHS__MODELS", str(model_path.parent))
    monkeypatch.setenv("MLOPS_REGISTRY__BACKEND", "directory")

    def command(*options: str) -> None:
        monkeypatch.setattr(sys, "argv", ["deployment.py", *options])
        main()

    return command


def test_the_command_releases_and_rolls_back(
    model_path: Path,
    location: Path,
    deploy: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry = DirectoryRegistry(model_path.parent / "registry")
    with pytest.raises(ModelError, match="no champion yet"):
        deploy("--env", "staging")
    for weight in (1, 2):
        train(model_path, weight)
        registry.promote(registry.register(model_path, "new"), "better")
        deploy("--env", "staging")
        assert f"{current_release(location)} is in use" in capsys.readouterr().out
    deploy("--env", "staging")
    assert "already" in capsys.readouterr().out
    deploy("--env", "staging", "--rollback")
    assert weight_in_use(location) == 1


def test_without_a_champion_the_command_says_what_to_do(
    model_path: Path, deploy: Callable[..., None]
) -> None:
    train(model_path, 1)
    with pytest.raises(ModelError, match="no champion yet; run `make promote`"):
        deploy("--env", "staging")


def test_the_command_releases_any_model_it_is_given(
    tmp_path: Path, location: Path, deploy: Callable[..., None]
) -> None:
    train(tmp_path / "other.joblib", 3)
    deploy("--env", "prod", "--model-path", str(tmp_path / "other.joblib"))
    assert weight_in_use(location) == 3


def test_the_command_names_an_environment_that_does_not_exist(
    deploy: Callable[..., None],
) -> None:
    with pytest.raises(ConfigError, match="moon.yaml"):
        deploy("--env", "moon")

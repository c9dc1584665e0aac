"""The command that releases a version to an environment."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.deployment import main
from src.models.artifact import load_model
from src.models.registry import Registry
from src.utils.errors import ProjectError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import save_stand_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Command = Callable[[str], str]


@pytest.fixture
def registry(make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry, which the command uses, too."""
    settings = make_project()
    monkeypatch.setenv("MLOPS_PATHS__MODELS", str(settings.paths.models))
    monkeypatch.setenv("MLOPS_REGISTRY__MODEL", settings.registry.model)
    monkeypatch.setenv("MLOPS_TRACKING__URI", "null")
    return Registry(settings)


@pytest.fixture
def deploy(
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """The command, as a function of its options that returns what it says."""

    def deploy(options: str) -> str:
        monkeypatch.setattr("sys.argv", ["deployment.py", *options.split()])
        main()
        return capsys.readouterr().out

    return deploy


def test_versions_are_released_and_rolled_back(
    registry: Registry, deploy: Command, tmp_path: Path
) -> None:
    paths = [save_stand_in(tmp_path / f"{number}.joblib") for number in (1, 2)]
    first, second = (registry.register(path) for path in paths)
    registry.promote(first, "better", None)
    assert deploy("--env staging --why ok") == "staging: version 1 is in use\n"
    assert registry.history()[-1].why == "ok"
    assert "already; nothing changed" in deploy("--env staging")
    registry.promote(second, "better", first)
    assert deploy("--env staging") == "staging: version 2 is in use, not 1\n"
    assert "version 1 is in use again" in deploy("--env staging --rollback")
    assert "version 2 is in use" in deploy("--env staging --version 2")
    assert (registry.at("staging"), registry.at("prod")) == (second, None)


def test_what_is_in_use_is_exported(
    registry: Registry, deploy: Command, tmp_path: Path
) -> None:
    target, path = tmp_path / "release", save_stand_in(tmp_path / "1.joblib")
    assert "version 1" in deploy(f"--env prod --model-path {path} --export {target}")
    another = registry.register(save_stand_in(tmp_path / "2.joblib"))
    registry.promote(another, "better", None)
    said = deploy(f"--env prod --export {target}")  # alone, it releases nothing
    assert said == f"{target}: version 1, which prod uses\n"
    assert load_model(target / "model.joblib")[0].steps[0][0] == "1"


def test_a_refusal_says_why(deploy: Command) -> None:
    for options, message in (
        ("moon", "moon.yaml"),
        ("staging", "no champion version yet; run `make promote`"),
        ("staging --version 7", "version.7"),
        ("staging --rollback", "no version before"),
        ("staging --export x", "run `make release ENV=staging`"),
    ):
        with pytest.raises(ProjectError, match=message):
            deploy(f"--env {options}")

"""An export of a model that breaks off at any step leaves no wreck."""

import os
import sys
from pathlib import Path

import pytest

from scripts.deployment import main
from src.models.artifact import load_model, load_onnx
from src.models.registry import Registry
from src.utils.errors import DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import save_stand_in
from tests.proofs.killing import interrupted

STEPS = ((Path, "unlink"), (Path, "write_bytes"), (os, "replace"))

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("onnx", [b"compiled", None])
def test_an_interrupted_export_is_refused_until_it_is_repeated(
    make_project: ProjectMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    onnx: bytes | None,
) -> None:
    settings = make_project()
    monkeypatch.setenv("MLOPS_PATHS__MODELS", str(settings.paths.models))
    monkeypatch.setenv("MLOPS_REGISTRY__MODEL", settings.registry.model)
    monkeypatch.setenv("MLOPS_TRACKING__URI", "null")
    registry, target = Registry(settings), tmp_path / "release"
    for number, content in enumerate((b"another", onnx), 1):
        path = save_stand_in(tmp_path / f"{number}.joblib", content)
        registry.fetch(registry.register(path))
    options = ["deployment.py", "--env", "prod", "--version", "1", "--export"]
    monkeypatch.setattr(sys, "argv", [*options, str(target)])
    main()
    for env in ("prod", "staging"):
        registry.promote(registry.version(2), "better", registry.at(env), env)
    options = ["deployment.py", "--env", "prod", "--export", str(target)]
    monkeypatch.setattr(sys, "argv", options)

    kills = 0
    while interrupted(main, STEPS, kills):
        kills += 1
        try:
            number = load_model(target / "model.joblib")[0].steps[0][0]
        except DataError:
            continue
        assert number == "2" or kills == 1
    assert kills >= 4
    assert load_model(target / "model.joblib")[0].steps[0][0] == "2"
    if onnx:
        assert load_onnx(target / "model.joblib")[0] == onnx
    else:
        assert not (target / "model.onnx").exists()


def test_a_damaged_model_is_not_released(
    make_project: ProjectMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_project()
    monkeypatch.setenv("MLOPS_PATHS__MODELS", str(settings.paths.models))
    monkeypatch.setenv("MLOPS_REGISTRY__MODEL", settings.registry.model)
    monkeypatch.setenv("MLOPS_TRACKING__URI", "null")
    path = tmp_path / "1.joblib"
    for damaged in (path, path.with_suffix(".onnx"), path.with_suffix(".json")):
        for damage in (b"another", None):
            save_stand_in(path, b"compiled")
            damaged.unlink() if damage is None else damaged.write_bytes(damage)
            options = ["--env", "staging", "--model-path", str(path)]
            monkeypatch.setattr(sys, "argv", ["deployment.py", *options])
            with pytest.raises(DataError, match=damaged.name) as error:
                main()
            assert "\n" not in str(error.value)
    assert Registry(settings).at("staging") is None

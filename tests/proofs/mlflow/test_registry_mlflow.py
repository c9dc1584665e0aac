"""The registry in MLflow: kills between any two of its calls, damage, and its pages."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mlflow import MlflowClient
from pandas import DataFrame
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import Pipeline

import mlflow
from src.models.artifact import export_path, load_model, load_onnx, load_record
from src.models.artifact import save_model
from src.models.registry import Registry
from src.utils.errors import DataError
from tests.conftest import ProjectMaker
from tests.proofs.killing import interrupted

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CALLS = (
    "create_run create_logged_model finalize_logged_model log_artifacts "
    "_create_model_version set_logged_model_tags log_dict set_registered_model_tag "
    "set_registered_model_alias delete_registered_model_alias"
)
STEPS = [(MlflowClient, name) for name in CALLS.split()]


@pytest.fixture
def registry(make_project: ProjectMaker) -> Registry:
    return Registry(make_project())


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def save(weight: int, **record: Any) -> Path:
        path = tmp_path / f"trained-{weight}.joblib"
        export = {"verified": True} if weight < 0 else None
        written = {"run_id": None, "export": export, "model_type": "linear"} | record
        written |= {"example": {"x": 1}}
        if not path.exists():
            model = DummyRegressor(strategy="constant", constant=weight).fit([[1]], [1])
            pipeline = Pipeline([("model", model)])
            save_model(pipeline, written, path, b"compiled" if export else None)
        return path

    return save


def weight_of(pipeline: Any) -> int:
    return int(pipeline.predict([[1]])[0])


def replayed(registry: Registry) -> list[int]:
    """Return the champions that the history leads to."""
    named: list[int] = []
    for event in registry.history():
        if event.alias == "champion":
            if event.action == "rollback":
                named.pop()
            else:
                named.append(event.version)
    return named


def test_a_promotion_that_is_killed_at_any_step_is_completed_by_repeating_it(
    registry: Registry, save: Callable[..., Path]
) -> None:
    first = registry.register(save(0))
    registry.promote(first, "first", None)

    def promote(weight: int) -> None:
        current = registry.at("champion")
        version = registry.register(save(weight), {"gate": {"weight": weight}})
        registry.promote(version, "better", current)

    kills = 0
    while interrupted(partial(promote, kills + 1), STEPS, kills):
        kills += 1
        found = registry.at("champion")
        assert found is not None and found.number == replayed(registry)[-1]
        assert weight_of(load_model(registry.fetch(found))[0]) in (0, kills)
        promote(kills)
        now = registry.at("champion")
        assert now is not None and registry.versions() == [first, now]
        assert registry.document(now, "gate") == {"weight": kills}
        assert registry.at("challenger") is None
        assert replayed(registry)[-2:] == [first.number, now.number]
        assert registry.rollback("back") == (first, now)
        registry.client.delete_model_version(registry.name, str(now.number))
    assert kills == 22  # before and after each of eleven calls


@pytest.mark.parametrize("kill", range(5))
def test_a_rollback_that_is_killed_at_any_step_went_back_or_did_not(
    registry: Registry, save: Callable[..., Path], kill: int
) -> None:
    first, second = (registry.register(save(weight)) for weight in (1, 2))
    for version in (first, second, first):
        registry.promote(version, "better", registry.at("champion"))
    was_killed = interrupted(partial(registry.rollback, "back"), STEPS, kill)
    assert was_killed is (kill < 4)
    path = replayed(registry)
    assert path in ([1, 2, 1], [1, 2])
    found = registry.at("champion")
    assert found is not None and found.number == path[-1]
    while len(path) > 1:
        assert registry.rollback("back")[0].number == path[-2]
        path.pop()
    with pytest.raises(DataError, match="no version before"):
        registry.rollback("too far")


def test_a_promotion_that_was_killed_and_not_repeated_is_none(
    registry: Registry, save: Callable[..., Path]
) -> None:
    first, second, third = (registry.register(save(weight)) for weight in (1, 2, 3))
    registry.promote(first, "first", None)
    # The tag is written, the challenger ended, and the alias is not moved yet.
    assert interrupted(lambda: registry.promote(second, "killed", first), STEPS, 2)
    assert [e.why for e in registry.history() if e.why] == ["first"]
    registry.promote(third, "third", first)
    assert [e.why for e in registry.history() if e.why] == ["first", "third"]
    assert registry.rollback("back") == (first, third)


def test_what_is_shown_in_mlflow_says_what_was_done(
    registry: Registry, save: Callable[..., Path]
) -> None:
    client = registry.client
    scores = {"rmse": {"value": 0.5, "low": 0.4, "high": 0.6}}
    documents = {"gate": {"passed": True}, "evaluation": {"metrics": scores}}
    path = save(-1)
    version = registry.register(path, documents)
    registry.promote(version, "better", None)
    registry.promote(version, "reviewed", None, "prod")
    (shown,) = client.search_model_versions(f"name = '{registry.name}'")
    run = str(shown.run_id)
    assert shown.tags["model_sha256"] == version.sha256
    assert shown.tags["model_type"] == "linear"
    assert shown.tags["test.rmse"] == "0.5"
    logged = client.get_logged_model(str(shown.source).removeprefix("models:/"))
    link = [{"name": registry.name, "version": 1}]
    assert json.loads(logged.tags["mlflow.modelVersions"]) == link
    assert logged.source_run_id == run
    model = mlflow.pyfunc.load_model(f"models:/{registry.name}@champion")
    assert model.predict(DataFrame({"x": [1, None]})).tolist() == [-1, -1]
    model = client.get_registered_model(registry.name)
    assert {k: int(v) for k, v in model.aliases.items()} == {"champion": 1, "prod": 1}
    assert sum("better" in text for text in model.tags.values()) == 1
    kept = {file.path for file in client.list_artifacts(run, "documents")}
    assert kept == {"documents/gate.json", "documents/evaluation.json"}
    assert load_onnx(registry.fetch(version))[0] == b"compiled"


def test_a_model_of_a_run_that_the_store_does_not_know_gets_one(
    registry: Registry, save: Callable[..., Path]
) -> None:
    version = registry.register(save(1, run_id="0" * 32))
    (shown,) = registry.client.search_model_versions(f"name = '{registry.name}'")
    run = registry.client.get_run(str(shown.run_id))
    assert (run.info.run_name, run.info.status) == ("register", "FINISHED")
    assert weight_of(load_model(registry.fetch(version))[0]) == 1


def test_a_version_of_before_is_fetched_from_its_source(
    registry: Registry, save: Callable[..., Path]
) -> None:
    path = save(-3)
    client, sha256 = registry.client, load_record(path)["model_sha256"]
    run = client.create_run(registry.experiment_id).info.run_id
    for file in (path, path.with_suffix(".json"), path.with_suffix(".onnx")):
        client.log_artifact(run, str(file), "saved")
    client.create_registered_model(registry.name)
    source, tags = f"runs:/{run}/saved/{path.name}", {"model_sha256": sha256}
    client.create_model_version(registry.name, source, run, tags)
    (version,) = registry.versions()
    fetched = registry.fetch(version)
    assert weight_of(load_model(fetched)[0]) == -3
    assert load_onnx(fetched)[0] == b"compiled"
    assert registry.register(path) == version


def test_a_model_whose_training_was_killed_is_logged_anew(
    registry: Registry, save: Callable[..., Path]
) -> None:
    client, experiment = registry.client, registry.experiment_id
    run = client.create_run(experiment).info.run_id
    path = save(4, run_id=run)
    client.log_artifact(run, str(path), "saved")
    client.create_logged_model(experiment, name="model", source_run_id=run)
    registry.register(path)
    (shown,) = client.search_model_versions(f"name = '{registry.name}'")
    assert shown.run_id != run
    model = mlflow.pyfunc.load_model(f"models:/{registry.name}@challenger")
    assert model.predict(DataFrame({"x": [1]})).tolist() == [4]


def test_a_damaged_copy_is_fetched_again_and_refused_if_the_store_is_damaged(
    registry: Registry, save: Callable[..., Path], make_project: ProjectMaker
) -> None:
    version = registry.register(save(-1))
    for damage in (b"another", None):
        for name in (Path, export_path):
            path = name(registry.fetch(version))
            path.unlink() if damage is None else path.write_bytes(damage)
            fetched = registry.fetch(version)
            assert load_onnx(fetched)[0] == b"compiled"
            assert weight_of(load_model(fetched)[0]) == -1
    export_path(registry.fetch(version)).unlink()
    home = make_project().paths.models.parent
    for stored in home.rglob("saved/*.onnx"):
        stored.write_bytes(b"another")
    with pytest.raises(DataError, match="digest") as error:
        registry.fetch(version)
    assert "\n" not in str(error.value)


def test_a_version_that_was_registered_by_hand_cannot_be_fetched(
    registry: Registry, save: Callable[..., Path]
) -> None:
    registry.register(save(1))
    client = registry.client
    run = client.create_run(registry.experiment_id).info.run_id
    client.create_model_version(registry.name, f"runs:/{run}/model", run)
    client.set_registered_model_alias(registry.name, "champion", "2")
    version = registry.at("champion")
    assert version is not None and (version.number, version.sha256) == (2, "")
    with pytest.raises(DataError) as error:
        registry.fetch(version)
    assert "\n" not in str(error.value)


def test_a_registry_that_another_process_keeps_is_reported_in_one_line(
    registry: Registry, save: Callable[..., Path]
) -> None:
    path = save(1)
    registry.lock.timeout = 0.01
    with FileLock(registry.lock.lock_file):
        with pytest.raises(DataError, match="lock") as error:
            registry.register(path)
    assert "\n" not in str(error.value)


def test_a_store_that_is_gone_is_reported_in_one_line(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry.client = MlflowClient("http://user:secret@127.0.0.1:9")
    for ask in (registry.history, registry.versions, partial(registry.at, "champion")):
        with pytest.raises(DataError, match="see whether MLflow is up") as error:
            ask()
        assert "\n" not in str(error.value) and "secret" not in str(error.value)

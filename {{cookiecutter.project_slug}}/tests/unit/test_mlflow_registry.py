"""The registry in MLflow, on SQLite."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from src.models.artifact import load_export, save_model
from src.models.mlflow_registry import MlflowRegistry
from src.models.registry import ModelRegistry
from src.utils.errors import ModelError
from tests.fixtures.registry_suite import Opener, RegistrySuite, damage_export

# MLflow asks SQLAlchemy for what the latter is about to remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NAME = "model"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs: to make its tables takes seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


def open_registry(uri: str, experiment: str, cache: Path) -> ModelRegistry:
    return MlflowRegistry(MlflowClient(uri), experiment, NAME, cache)


class TestMlflowRegistry(RegistrySuite):
    kills = 4
    rounds = 2

    @pytest.fixture
    def opened(self, tmp_path: Path, empty_store: Path) -> Opener:
        shutil.copy(empty_store, tmp_path / "mlflow.db")
        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
        files = (tmp_path / "files").as_uri()
        experiment = MlflowClient(uri).create_experiment("e", artifact_location=files)
        cache = tmp_path / "registry" / "fetched"
        return partial(open_registry, uri, experiment, cache)

    @pytest.fixture
    def steps(self) -> list[tuple[object, str]]:
        names = (
            "log_artifacts create_model_version set_registered_model_tag "
            "set_registered_model_alias delete_registered_model_alias "
            "delete_registered_model_tag"
        )
        return [(MlflowClient, name) for name in names.split()]

    def test_a_damaged_export_is_fetched_again_and_refused_if_the_store_has_it(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        path = tmp_path / "exported.joblib"
        save_model({"weight": 1}, {"export": {"verified": True}}, path, b"compiled")
        version = registry.register(path, "exported")
        fetched = registry.fetch(version)
        damage_export(fetched, b"compile")
        assert load_export(registry.fetch(version))[0] == b"compiled"
        damage_export(fetched, None)
        (stored,) = (tmp_path / "files").rglob("model.onnx")
        stored.write_bytes(b"compile")
        with pytest.raises(ModelError, match=r"model\.onnx: digest") as error:
            registry.fetch(version)
        assert "\n" not in str(error.value)

    def check_consistent(self, registry: ModelRegistry) -> None:
        """The aliases are those of the history, once a pending event is complete."""
        assert isinstance(registry, MlflowRegistry)
        super().check_consistent(registry)
        with registry._locked():
            pass
        found = registry.client.get_registered_model(NAME).aliases
        for alias in ("champion", "challenger"):
            version = getattr(registry, alias)()
            ours = found.get(alias)
            tags = registry.client.get_model_version(NAME, ours).tags if ours else {}
            digest = version.sha256 if version else None
            assert tags.get("model_sha256") == digest


def test_a_store_that_is_gone_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient("http://127.0.0.1:9")
    registry = MlflowRegistry(client, "0", NAME, tmp_path / "fetched")
    with pytest.raises(ModelError, match="cannot be used") as caught:
        registry.history()
    assert "\n" not in str(caught.value)

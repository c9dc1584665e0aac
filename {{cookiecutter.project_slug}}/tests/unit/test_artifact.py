"""Saved models and their records."""

import json
import subprocess
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import Ridge

from src.models import artifact
from src.models.artifact import code_revision, load_model, record_path, save_model
from src.utils.errors import ModelError
from src.utils.files import sha256_of

X, Y = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 4.0])


class Intruder:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A saved model."""
    path = tmp_path / "models" / "latest_model.joblib"
    save_model(Ridge().fit(X, Y), {"metrics": {"rmse": 1.5}}, path)
    return path


def test_a_saved_model_comes_back_with_its_record(path: Path) -> None:
    pipeline, record = load_model(path)

    assert (pipeline.predict(X) == Ridge().fit(X, Y).predict(X)).all()
    assert record["metrics"] == {"rmse": 1.5}
    assert record["model_sha256"] == sha256_of(path)
    assert record["libraries"]["scikit-learn"] == sklearn.__version__


def test_the_record_is_json_beside_the_model(path: Path) -> None:
    record = json.loads((path.parent / "latest_model.json").read_text("utf-8"))

    assert record == load_model(path)[1]
    assert not list(path.parent.glob(".partial-*"))


def test_saving_again_replaces_model_and_record(path: Path) -> None:
    save_model(Ridge(alpha=9).fit(X, Y), {"metrics": {"rmse": 2.5}}, path)

    pipeline, record = load_model(path)

    assert pipeline.alpha == 9
    assert record["metrics"] == {"rmse": 2.5}


def test_the_same_model_is_the_same_file(path: Path, tmp_path: Path) -> None:
    again = save_model(Ridge().fit(X, Y), {}, tmp_path / "again.joblib")

    assert again["model_sha256"] == sha256_of(path)


def test_a_changed_file_is_refused_before_it_is_opened(path: Path) -> None:
    trace = path.parent / "trace"
    joblib.dump(Intruder(trace), path)

    with pytest.raises(ModelError, match="digest is .*, its record expects"):
        load_model(path)
    assert not trace.exists()


def test_a_model_whose_record_was_not_written_yet_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, content: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(artifact, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        save_model(Ridge(alpha=9).fit(X, Y), {}, path)

    with pytest.raises(ModelError, match="digest is"):
        load_model(path)


def test_a_missing_model_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none.joblib: .*run the training first"):
        load_model(tmp_path / "none.joblib")


def test_a_missing_record_is_told_with_what_to_do(path: Path) -> None:
    record_path(path).unlink()

    with pytest.raises(ModelError, match="latest_model.json: file not found: expected"):
        load_model(path)


@pytest.mark.parametrize("content", ["[]", "{}"])
def test_a_record_without_digest_is_refused(path: Path, content: str) -> None:
    record_path(path).write_text(content, "utf-8")

    with pytest.raises(ModelError, match="model_sha256 not found"):
        load_model(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x05garbage", b"cno_such_module\nThing\n."]
)
def test_a_file_of_other_libraries_is_told_by_their_versions(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    record = json.loads(record_path(path).read_text("utf-8"))
    record |= {"model_sha256": sha256_of(path), "libraries": {"scikit-learn": "0.1"}}
    record_path(path).write_text(json.dumps(record), "utf-8")

    with pytest.raises(ModelError, match="cannot be read .* scikit-learn 0.1"):
        load_model(path)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


def test_the_code_revision_is_the_commit_and_whether_files_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact, "PROJECT_ROOT", tmp_path)
    (tmp_path / "file").write_text("one")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "First")
    git(tmp_path, "tag", "-a", "v1", "-m", "One")

    clean = code_revision()
    (tmp_path / "file").write_text("two")

    assert clean is not None and len(clean) == 40
    assert code_revision() == f"{clean}-dirty"


def test_without_git_there_is_no_code_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code_revision() is None

    monkeypatch.setenv("PATH", "")
    assert code_revision() is None

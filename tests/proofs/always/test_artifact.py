"""Models that are saved: the same bytes, whole or refused, told with what to do."""

import json
import subprocess
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import Ridge

from src.models import artifact
from src.models.artifact import copy_model, load_model, record_path, save_model
from src.utils.errors import DataError
from src.utils.files import sha256_of

X, Y = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 4.0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A saved model."""
    path = tmp_path / "models" / "latest_model.joblib"
    save_model(Ridge().fit(X, Y), {"metrics": {"rmse": 1.5}}, path)
    return path


def test_the_same_model_is_the_same_file(path: Path, tmp_path: Path) -> None:
    again = save_model(Ridge().fit(X, Y), {}, tmp_path / "again.joblib")

    assert again["model_sha256"] == sha256_of(path)


def test_a_copy_is_verified_and_replaces_what_was_there(path: Path) -> None:
    target = path.parent / "copies" / "model.joblib"
    copy_model(path, target)
    assert load_model(target)[1] == load_model(path)[1]

    path.write_bytes(b"changed")
    with pytest.raises(DataError, match="digest is"):
        copy_model(path, target)
    assert load_model(target)[0].predict(X).shape == (3,)


def test_a_model_whose_record_was_not_written_yet_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, content: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "model.joblib"
    save_model(Ridge().fit(X, Y), {}, path)
    monkeypatch.setattr(artifact, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        save_model(Ridge(alpha=9).fit(X, Y), {}, path)

    with pytest.raises(DataError, match="digest is"):
        load_model(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x05garbage", b"cno_such_module\nThing\n."]
)
def test_a_file_of_other_libraries_is_told_by_their_versions(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "model.joblib"
    record = save_model("a model", {}, path)
    assert record["libraries"]["scikit-learn"] == sklearn.__version__
    path.write_bytes(content)
    record |= {"model_sha256": sha256_of(path), "libraries": {"scikit-learn": "0.1"}}
    record_path(path).write_text(json.dumps(record), "utf-8")

    with pytest.raises(DataError, match="cannot be read .* scikit-learn 0.1") as error:
        load_model(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("lost", ["model.joblib", "model.json"])
def test_what_is_missing_is_told_with_what_to_do(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "model.joblib"
    save_model("a model", {}, path)
    (tmp_path / lost).unlink()

    for command in (load_model, lambda path: copy_model(path, tmp_path / "other")):
        with pytest.raises(DataError, match=f"{lost}[:;].* `python src/training/tr"):
            command(path)


def test_the_code_revision_is_the_commit_and_whether_files_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        command = ["git", *identity, *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    monkeypatch.setattr(artifact, "PROJECT_ROOT", tmp_path)
    path = tmp_path / ".git/model.joblib"
    (tmp_path / "file").write_text("one")
    assert save_model(1, {}, tmp_path / "m.joblib")["code_revision"] is None
    git("init", "-q")
    git("add", "file")
    git("commit", "-q", "-m", "First")
    commit = git("rev-parse", "HEAD")
    assert save_model(1, {}, path)["code_revision"] == commit
    (tmp_path / "file").write_text("two")
    assert save_model(1, {}, path)["code_revision"] == f"{commit}-dirty"
    monkeypatch.setenv("PATH", "")
    assert save_model(1, {}, path)["code_revision"] is None


class Intruder:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


def test_a_changed_file_is_refused_before_it_is_opened(path: Path) -> None:
    trace = path.parent / "trace"
    joblib.dump(Intruder(trace), path)

    with pytest.raises(DataError, match="digest is .*, its record expects"):
        load_model(path)
    assert not trace.exists()

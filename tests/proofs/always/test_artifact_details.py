"""Saved models are the same bytes, also as copies."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from src.models.artifact import copy_model, load_model, save_model
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

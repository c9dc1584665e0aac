"""The saved model, ``latest_model.joblib``, and its record ``latest_model.json``, which
says what it is and what made it. As a model file can run any code when it is opened, it
must have the recorded digest."""

import hashlib
import io
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from src.utils.config import PROJECT_ROOT
from src.utils.errors import DataError, reported
from src.utils.files import atomic_path, read_json, sha256_of, write_json

Record = dict[str, Any]

LIBRARIES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy")
TRAIN = "run `python src/training/train.py`"


def record_path(path: Path) -> Path:
    """Return where the record of a model file is."""
    return path.with_suffix(".json")


def export_path(path: Path) -> Path:
    """Return where the export of a model file is, if it has one."""
    return path.with_suffix(".onnx")


def save_model(
    pipeline: Any, record: Record, path: Path, export: bytes | None = None
) -> Record:
    """Write a model, its export if there is one, and last its record. A process that is
    killed between them leaves a model that ``load_model`` refuses, never one with the
    record of another. Returns the record as written."""
    import joblib

    with atomic_path(path) as partial:
        joblib.dump(pipeline, partial)
        digest = sha256_of(partial)
    written = {
        "model_sha256": digest,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_revision": _code_revision(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        **record,
    }
    if record.get("export") is None:
        export_path(path).unlink(missing_ok=True)
    else:  # empty if it is of no use: a stage writes every file that it is to write
        with atomic_path(export_path(path)) as partial:
            partial.write_bytes(export or b"")
            written["export"] = record["export"] | {"sha256": sha256_of(partial)}
    write_json(record_path(path), written)
    return written


def load_record(path: Path) -> Record:
    """Return the record of a model file; DataError if there is none."""
    file = record_path(path)
    if not file.exists():
        raise DataError(f"{path}: no model here, or no record {file.name}; {TRAIN}")
    return dict(read_json(file))


def load_model(path: Path) -> tuple[Any, Record]:
    """Return a saved pipeline and its record; DataError if it cannot be used."""
    import joblib

    record = load_record(path)
    content = _read(path, record["model_sha256"])
    made_with = ", ".join(map(" ".join, record["libraries"].items()))
    advice = f"it was made with {made_with}; {TRAIN}"
    # A file of other versions of the libraries can raise anything.
    with reported((Exception,), f"{path}: cannot be read", advice):
        return joblib.load(io.BytesIO(content)), record


def has_onnx(record: Record) -> bool:
    """Return whether a model has an export that was found to agree with it."""
    return bool((record.get("export") or {}).get("verified"))


def load_onnx(path: Path) -> tuple[bytes, Record]:
    """Return the export of a model and its record; DataError as in ``load_model``."""
    record = load_record(path)
    if not has_onnx(record):
        raise DataError(f"{path}: has no verified export; {TRAIN}")
    return _read(export_path(path), record["export"]["sha256"]), record


def check_digest(path: Path, record: Record) -> list[bytes]:
    """Return what is in a model and its export; DataError if the record differs."""
    contents = [_read(path, record["model_sha256"])]
    if has_onnx(record):
        contents.append(_read(export_path(path), record["export"]["sha256"]))
    return contents


def copy_model(source: Path, target: Path) -> None:
    """Copy a model, its export and last its record; DataError if a file changed."""
    record = load_record(source)
    contents = check_digest(source, record)
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in (record_path(target), export_path(target)):
        old.unlink(missing_ok=True)
    for file, content in zip((target, export_path(target)), contents, strict=False):
        file.write_bytes(content)
    write_json(record_path(target), record)


def _read(path: Path, expected: str) -> bytes:
    with reported((OSError,), f"{path}: cannot be read", f"{TRAIN}, or restore it"):
        content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        problem = f"digest is {found}, its record expects {expected}"
        raise DataError(f"{path}: {problem}; restore the file, or {TRAIN}")
    return content


def _code_revision() -> str | None:
    """Return the commit, ending in ``-dirty`` if files differ; None without git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    with suppress(OSError):
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
        return done.stdout.strip() or None
    return None

"""The saved model, and the record beside it that says what it is and what made it.

``latest_model.joblib`` holds the fitted pipeline, ``latest_model.json`` the record. A
model file can run any code when it is opened, so it is opened only if its digest is
the recorded one.
"""

import hashlib
import io
import pickle
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from src.utils.config import PROJECT_ROOT
from src.utils.errors import DataError, ModelError
from src.utils.files import atomic_path, read_json, sha256_of, write_json

LIBRARIES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy")

# What unpickling raises for a file of other versions of the libraries.
UNREADABLE = (
    AttributeError,
    EOFError,
    ImportError,
    KeyError,
    ValueError,
    pickle.UnpicklingError,
)

Record = dict[str, Any]

# The disk is searched for it, and it stays the same as long as the process runs.
installed_version = cache(version)


def record_path(model_path: Path) -> Path:
    """Return where the record of the model file ``model_path`` is."""
    return model_path.with_suffix(".json")


def environment() -> Record:
    """Return what a model depends on besides data and configuration.

    Returns:
        ``created`` (UTC), ``code_revision`` (``-dirty`` at its end for uncommitted
        changes; None without git), ``python`` and ``libraries`` with their versions.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_revision": code_revision(),
        "python": platform.python_version(),
        "libraries": {name: installed_version(name) for name in LIBRARIES},
    }


def code_revision() -> str | None:
    """Return the commit of the project, or None if it is not under git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        result = subprocess.run(
            command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def save_model(
    pipeline: Any, record: Record, path: Path, export: bytes | None = None
) -> Record:
    """Write the model, its export if there is one, and its record.

    A process that is killed between them leaves a model that ``load_model`` refuses,
    never one with the record of another.

    Args:
        pipeline: The fitted pipeline of scikit-learn.
        record: What made it; what ``environment`` says is added.
        path: The model file; the record goes beside it.
        export: The content of the export, which ``record["export"]`` describes; empty
            if it was not verified, None if none was asked for.

    Returns:
        The record as written, with the digest of the model file.
    """
    import joblib  # as in load_model: a record is read without it

    with atomic_path(path) as partial:
        joblib.dump(pipeline, partial)
        digest = sha256_of(partial)
    written = {"model_sha256": digest, **environment(), **record}
    if export is None:
        export_path(path).unlink(missing_ok=True)
    else:
        # An empty one is written, too: a stage writes all that it is said to write.
        with atomic_path(export_path(path)) as partial:
            partial.write_bytes(export)
        if has_verified_export(record):
            sha256 = hashlib.sha256(export).hexdigest()
            written["export"] = record["export"] | {"sha256": sha256}
    write_json(record_path(path), written)
    return written


def load_record(path: Path) -> Record:
    """Return the record of the model file ``path``.

    Raises:
        ModelError: If there is no record, or it names no digest.
    """
    try:
        record = read_json(record_path(path))
    except DataError as error:
        advice = "expected the record of the model; run the training again"
        raise ModelError(f"{error}: {advice}") from None
    if not isinstance(record, dict) or "model_sha256" not in record:
        raise ModelError(
            f"{record_path(path)}: model_sha256 not found, expected the digest of "
            "the model; run the training again"
        )
    return record


def load_model(path: Path) -> tuple[Any, Record]:
    """Return a saved model, once its digest is found to be the recorded one.

    Args:
        path: The model file; its record is beside it.

    Returns:
        The fitted pipeline of scikit-learn, and the record.

    Raises:
        ModelError: If the file or its record is missing, the digest is another, or
            the installed libraries cannot read the file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        advice = "expected a model; run the training first"
        raise ModelError(f"{path}: {reason}; {advice}") from None
    record = load_record(path)
    found = hashlib.sha256(content).hexdigest()
    if found != record["model_sha256"]:
        raise ModelError(
            f"{path}: digest is {found}, its record expects {record['model_sha256']}; "
            "the file was changed or replaced, run the training again"
        )
    import joblib  # not needed by a service whose models are compiled

    try:
        # From the bytes that were checked: the file may change in between.
        return joblib.load(io.BytesIO(content)), record
    except UNREADABLE as error:
        made_with = record.get("libraries", {})
        versions = ", ".join(f"{name} {made_with.get(name)}" for name in LIBRARIES)
        problem = " ".join(str(error).split())
        raise ModelError(
            f"{path}: cannot be read ({problem}); it was made with {versions}; install "
            "these or run the training again"
        ) from error


def export_path(model_path: Path) -> Path:
    """Return where the export of the model file ``model_path`` is."""
    return model_path.with_suffix(".onnx")


def has_verified_export(record: Record) -> bool:
    """Return whether an export was held against the model and agreed with it."""
    return bool((record.get("export") or {}).get("verified"))


def copy_model(source: Path, target: Path, record: Record) -> None:
    """Copy a model, its export if it has a verified one, and write its record.

    Raises:
        ModelError: If a copy is not what the record describes.
    """
    shutil.copyfile(source, target)
    if has_verified_export(record):
        shutil.copyfile(export_path(source), export_path(target))
    write_json(record_path(target), record)
    check_digest(target, record)


def check_digest(model_path: Path, record: Record) -> None:
    """Refuse a model file, or a verified export, that its record does not describe.

    Raises:
        ModelError: If one of them is missing or its digest is another.
    """
    files = [(model_path, record["model_sha256"])]
    if has_verified_export(record):
        files.append((export_path(model_path), record["export"]["sha256"]))
    for path, expected in files:
        if not path.exists():
            raise ModelError(f"{path}: file not found; run the training first")
        found = sha256_of(path)
        if found != expected:
            raise ModelError(
                f"{path}: digest is {found}, {record_path(model_path).name} expects "
                f"{expected}; the file was changed or replaced, restore it or run the "
                "training again"
            )


def load_export(path: Path) -> tuple[bytes, Record]:
    """Return the verified export of a model, once its digest is the recorded one.

    Args:
        path: The model file; its record and its export are beside it.

    Returns:
        The content of the export, and the record.

    Raises:
        ModelError: If there is none, or its digest is another.
    """
    record = load_record(path)
    export = export_path(path)
    if not has_verified_export(record):
        raise ModelError(f"{path}: has no verified export; run the training again")
    try:
        content = export.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        message = f"{export}: {reason}; expected an export, run the training again"
        raise ModelError(message) from None
    found, expected = hashlib.sha256(content).hexdigest(), record["export"]["sha256"]
    if found != expected:
        raise ModelError(
            f"{export}: digest is {found}, its record expects {expected}; the file "
            "was changed or replaced, run the training again"
        )
    return content, record

"""Releases: the verified models at the place of an environment, one of them in use.

A place is a folder that everybody who predicts can read::

    current             the name of the release in use
    releases.jsonl      what was done, one line for each release and rollback
    releases/<name>/    model.joblib, its export if it has one, and its record,
                        model.json; never changed

The switch to another release is the replacement of the small file ``current``, so
a reader finds the old release or the new one, whole, and a process that is killed
at any moment leaves one of the two in use. One release is made at a time.
"""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src.models.artifact import (
    check_digest,
    copy_model,
    load_model,
    load_record,
)
from src.utils.errors import ModelError
from src.utils.files import write_text

CURRENT = "current"
HISTORY = "releases.jsonl"
RELEASES = "releases"
MODEL = "model.joblib"


def current_release(location: Path) -> str | None:
    """Return the name of the release in use at ``location``; None before the first."""
    try:
        return (location / CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def current_model(location: Path) -> Path:
    """Return the model file of the release in use at ``location``.

    Raises:
        ModelError: If nothing was released there.
    """
    name = current_release(location)
    if name is None:
        raise ModelError(
            f"{location}: nothing released here yet; run scripts/deployment.py with "
            "the --env whose deployment.location this is"
        )
    return _model_of(location, name)


def release(model_path: Path, location: Path, keep: int) -> tuple[str, bool]:
    """Put a model in use at ``location``, once it is found to be what its record says.

    Args:
        model_path: The model file; its record is beside it.
        location: The place of an environment.
        keep: How many releases stay there: the new one, and those before it that
            ``roll_back`` can return to.

    Returns:
        The name of the release in use, and False if it already held this very model.

    Raises:
        ModelError: If the model or its record is missing, damaged or unreadable.
    """
    record = load_record(model_path)
    digest = record["model_sha256"]
    before = current_release(location)
    if before is not None and _is_intact(_model_of(location, before), digest):
        return before, False
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%SZ}-{digest[:8]}"
    _publish(model_path, _model_of(location, name).parent)
    # The record comes before the switch: nothing is ever in use without a line in it.
    _note(location, now, "release", name, before, record)
    write_text(location / CURRENT, f"{name}\n")
    _prune(location, name, keep)
    return name, True


def roll_back(location: Path) -> tuple[str, str]:
    """Put the release in use again that was in use before the present one.

    Repeated calls go further back; a release that was left this way is not returned
    to. To go forward again, release the model anew.

    Returns:
        The name of the release now in use, and of the one before this call.

    Raises:
        ModelError: If there is no earlier release, or it is damaged.
    """
    current_model(location)
    name, *earlier = _chain(location, current_release(location))
    if not earlier:
        raise ModelError(f"{location}: {name} is the first release, none is before it")
    target = _model_of(location, earlier[0])
    if not target.parent.exists():
        raise ModelError(
            f"{target.parent}: not kept, so there is nothing to go back to; "
            "deployment.keep says how many releases are"
        )
    _, record = load_model(target)
    _note(location, datetime.now(UTC), "rollback", earlier[0], name, record)
    write_text(location / CURRENT, f"{earlier[0]}\n")
    return earlier[0], name


def history(location: Path) -> list[dict[str, Any]]:
    """Return what was done at ``location``, oldest first.

    Returns:
        For each release and rollback: ``time``, ``action``, the ``release`` put in
        use, the one in use ``previous`` to it, ``model_sha256``, ``code_revision``.

    Raises:
        ModelError: If the file of the record was damaged.
    """
    path = location / HISTORY
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
    except ValueError as error:
        message = f"{path}: {error}; expected one JSON object a line"
        raise ModelError(message) from None


def _model_of(location: Path, name: str) -> Path:
    """Return the model file of the release ``name``."""
    return location / RELEASES / name / MODEL


def _is_intact(path: Path, digest: str) -> bool:
    """Return whether ``path`` and its record hold the model with ``digest``."""
    try:
        record = load_record(path)
        check_digest(path, record)
    except ModelError:
        return False
    return bool(record["model_sha256"] == digest)


def _publish(model_path: Path, target: Path) -> None:
    """Copy the model and its record to the folder ``target``, which appears whole.

    Raises:
        ModelError: If the copy is not the model that its record describes.
    """
    partial = target.with_name(f".partial-{target.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        # The record first: were it renewed in between, the digests would not agree.
        copy_model(model_path, partial / MODEL, load_record(model_path))
        load_model(partial / MODEL)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except FileNotFoundError as error:
        message = f"{error.filename}: file not found; run the training first"
        raise ModelError(message) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _note(
    location: Path,
    time: datetime,
    action: str,
    name: str,
    previous: str | None,
    record: dict[str, Any],
) -> None:
    """Add a line to the record of ``location``; the lines before stay as they are."""
    entry = {
        "time": time.isoformat(timespec="seconds"),
        "action": action,
        "release": name,
        "previous": previous,
        "model_sha256": record["model_sha256"],
        "code_revision": record.get("code_revision"),
    }
    lines = [json.dumps(line) for line in [*history(location), entry]]
    write_text(location / HISTORY, "\n".join(lines) + "\n")


def _chain(location: Path, name: str | None) -> list[str]:
    """Return ``name``, the release in use before it came, the one before that, …"""
    previous = {
        entry["release"]: entry["previous"]
        for entry in history(location)
        if entry["action"] == "release"
    }
    chain: list[str] = []
    while name is not None and name not in chain:
        chain.append(name)
        name = previous.get(name)
    return chain


def _prune(location: Path, name: str, keep: int) -> None:
    """Remove all releases but the ``keep`` latest that lead to ``name``."""
    kept = _chain(location, name)[:keep]
    for folder in (location / RELEASES).iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder)

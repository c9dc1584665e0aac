"""Files that are either whole or not there: atomic writing, digests, JSON."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from src.utils.errors import DataError

CHUNK_BYTES = 1024 * 1024


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` to write to, and rename it on success.

    The partial file has a fixed name, so one that a killed process left behind is
    overwritten by the next run. It keeps the suffix of ``path``, because writers
    such as matplotlib and joblib choose their format by it.

    Args:
        path: Where the finished file belongs; its folder is created.

    Yields:
        The path to write to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically and with ``\\n`` line ends."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def first_difference(found: Sequence[str], expected: Sequence[str]) -> str | None:
    """Say where lines differ first: the number, what is there, and what should be.

    Returns:
        None if the lines are the same.
    """
    for number, (ours, theirs) in enumerate(zip_longest(found, expected), 1):
        if ours != theirs:
            words = [repr(x) if x is not None else "no line" for x in (ours, theirs)]
            return f"line {number}: found {words[0]}, expected {words[1]}"
    return None


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` to ``path`` as indented JSON, atomically.

    Raises:
        ValueError: If a number is not finite; JSON has no word for it.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Return what the JSON file ``path`` holds.

    Raises:
        DataError: If the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: file not found") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Return what is another once a file was changed or replaced.

    Returns:
        Its time of change, size and number on the disk; None if it is not there.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of the file ``path``, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()

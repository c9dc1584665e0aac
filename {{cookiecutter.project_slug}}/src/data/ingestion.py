"""Bringing the source into ``data/raw/``, unchanged, with its digest beside it."""

import hashlib
import logging
import re
import shutil
import time
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from src.data.download import DownloadError, stream_to
from src.utils.config import PROJECT_ROOT, Settings
from src.utils.errors import DataError
from src.utils.files import sha256_of, write_text

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 1.0  # doubled after each failed attempt
DIGEST_SUFFIX = ".sha256"

log = logging.getLogger(__name__)


def ingest(
    source: str, raw_dir: Path, sha256: str | None = None, force: bool = False
) -> Path:
    """Copy or download the source to ``raw_dir``, which then holds nothing else.

    A URL that is already there is not downloaded again. A path that is gone, on a
    machine that got ``raw_dir`` from a colleague, is no error either.

    Args:
        source: A path (``~`` is the home folder, a relative one starts at the project)
            or an HTTP(S) address.
        raw_dir: Where the file goes, under its own name, with its digest in a file
            that ``sha256sum --check`` reads.
        sha256: The digest that the source must have; any if None.
        force: Download again what is already there.

    Returns:
        The file in ``raw_dir``.

    Raises:
        DataError: If the source cannot be read, or has another digest.
    """
    name = source_name(source)
    target = raw_dir / name
    digest = _recorded(target, source)
    if is_url(source):
        keep = digest is not None and not force
    else:
        path = _local(source)
        if path.resolve().parent == raw_dir.resolve():
            raise DataError(
                f"data.source: {source} lies in {raw_dir}, which is emptied when the "
                "source changes; keep it in another folder"
            )
        keep = digest is not None and not path.exists()
        if keep:
            log.warning("%s is not on this machine; %s is kept", path, target)
    if keep:
        _verify(target, source, sha256)
        return target
    staged = raw_dir.parent / ".incoming" / name
    shutil.rmtree(staged.parent, ignore_errors=True)
    staged.parent.mkdir(parents=True)
    try:
        _fetch(source, staged)
        found = _verify(staged, source, sha256)
        _replace_raw(staged, target, source, found)
    finally:
        shutil.rmtree(staged.parent, ignore_errors=True)
    return target


def raw_file(settings: Settings) -> Path:
    """Return the ingested file, after comparing it with its recorded digest.

    Raises:
        DataError: If there is none, it has changed, or it is another source's.
    """
    target = settings.paths.raw / source_name(settings.data.source)
    if _recorded(target, settings.data.source) is None:
        raise DataError(
            f"{target}: not there, or not the file that was ingested from "
            f"{_shown(settings.data.source)}; run `make data`"
        )
    _verify(target, settings.data.source, settings.data.sha256)
    return target


def is_url(source: str) -> bool:
    """Return whether the source is an address, not a path."""
    return "://" in source


def source_name(source: str) -> str:
    """Return the file name of a source, safe on every operating system."""
    path = unquote(_parts(source).path) if is_url(source) else source
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return re.sub(r'[<>:"|?*\x00-\x1f]', "_", name).lstrip(".") or "source"


def _local(source: str) -> Path:
    """Return the path of a source that is none of the web."""
    return PROJECT_ROOT / Path(source).expanduser()


def _shown(source: str) -> str:
    """Return the source as messages may show it: without passwords and tokens."""
    if not is_url(source):
        return source
    parts = _parts(source)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _parts(url: str) -> SplitResult:
    """Return the parts of an address; raise DataError if it is none."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise DataError(
            f"data.source: not an address ({error}); expected a path or an http(s) "
            "address"
        ) from None


def _source_id(source: str) -> str:
    """Return what tells sources apart without giving away a token in an address."""
    return hashlib.sha256(source.encode()).hexdigest()


def _recorded(target: Path, source: str) -> str | None:
    """Return the digest on record, None if the file is not there or not as recorded.

    A path may differ from machine to machine; an address must be the one on record.
    """
    record = target.with_name(target.name + DIGEST_SUFFIX)
    if not target.is_file() or not record.is_file():
        return None
    comment, _, line = record.read_text(encoding="utf-8").partition("\n")
    digest = line.partition(" ")[0]
    if is_url(source) and comment != f"# source {_source_id(source)}":
        return None
    return digest if digest == sha256_of(target) else None


def _verify(path: Path, source: str, sha256: str | None) -> str:
    """Return the digest of ``path``; raise DataError if another one is configured."""
    found = sha256_of(path)
    if sha256 is not None and found != sha256:
        raise DataError(
            f"{_shown(source)}: found SHA-256 {found}, expected {sha256} (data.sha256 "
            "in config/pipeline_config.yaml); get the right file, or correct the digest"
        )
    return found


def _replace_raw(staged: Path, target: Path, source: str, digest: str) -> None:
    """Make ``staged`` the only file of the raw folder, and record its digest last.

    A file without its record does not count, so a process killed in between leaves
    nothing that could be taken for the source.
    """
    raw_dir = target.parent
    raw_dir.mkdir(parents=True, exist_ok=True)
    record = target.with_name(target.name + DIGEST_SUFFIX)
    for old in sorted(raw_dir.glob(f"*{DIGEST_SUFFIX}")):
        old.unlink()
    for old in raw_dir.iterdir():
        if old.is_file() and old != target and not old.name.startswith("."):
            old.unlink()
    staged.replace(target)
    write_text(record, f"# source {_source_id(source)}\n{digest}  {target.name}\n")


def _fetch(source: str, staged: Path) -> None:
    """Write the bytes of the source to ``staged``."""
    if is_url(source):
        _download(source, staged)
        return
    path = _local(source)
    try:
        shutil.copyfile(path, staged)
    except OSError as error:
        raise DataError(
            f"data.source: {path}: {error.strerror or error}; expected a CSV or "
            "Parquet file; correct data.source in config/pipeline_config.yaml"
        ) from None


def _download(url: str, staged: Path) -> None:
    """Download ``url``, in several attempts where another one may help.

    Raises:
        DataError: If the last attempt failed.
    """
    if _parts(url).scheme not in ("http", "https"):
        raise DataError(
            f"data.source: {_shown(url)}: expected a path or an http(s) address"
        )
    wait = FIRST_WAIT_SECONDS
    for left in reversed(range(ATTEMPTS)):
        try:
            stream_to(url, staged)
            return
        except DownloadError as error:
            if left == 0 or not error.transient:
                raise DataError(
                    f"data.source: {_shown(url)}: download failed ({error}); check "
                    "the address and the connection"
                ) from None
            log.warning("Download failed (%s); trying again in %g s", error, wait)
        time.sleep(wait)
        wait *= 2

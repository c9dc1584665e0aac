"""Bringing the source into ``data/raw/``, unchanged, and reading tables."""

import hashlib
import logging
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from src.data.reading import UNREADABLE, table_of
from src.utils.config import PROJECT_ROOT, Settings
from src.utils.errors import DataError, reported
from src.utils.files import atomic_path, sha256_of, write_text

# What another attempt may change: time-outs, too many requests, errors of the server.
PASSING = (408, 425, 429, *range(500, 600))
RETRY = Retry(3, backoff_factor=1, status_forcelist=PASSING, raise_on_status=False)
READABLE = "expected CSV, Parquet or Excel"

log = logging.getLogger(__name__)
# It would log the address of each attempt, and with it perhaps a token.
logging.getLogger("urllib3").setLevel(logging.ERROR)


def ingest(
    source: str, raw_dir: Path, sha256: str | None = None, force: bool = False
) -> Path:
    """Copy or download the source to ``raw_dir``, and record its digest beside it."""
    target = raw_dir / source_name(source)
    path = PROJECT_ROOT / Path(source).expanduser()
    # A download is kept unless forced; a copy, where its source is not on this machine.
    again = force if "://" in source else path.exists()
    if not again and _is_ingested(target, source):
        log.info("%s: kept, not fetched again", target)
        return target
    with atomic_path(target) as partial:
        if "://" in source:
            _download(source, partial)
        else:
            with reported((OSError,), f"{path}: cannot be read", "correct data.source"):
                shutil.copyfile(path, partial)
        _check_digest(partial, sha256)
    # Last: a file without its record does not count.
    write_text(Path(f"{target}.sha256"), _record(target, source))
    return target


def raw_file(settings: Settings) -> Path:
    """Return the ingested file; raise DataError unless it is there and unchanged."""
    target = settings.paths.data / "raw" / source_name(settings.data.source)
    if not _is_ingested(target, settings.data.source):
        raise DataError(f"{target}: not as it was ingested; run `make data`")
    _check_digest(target, settings.data.sha256)
    return target


def source_name(source: str) -> str:
    """Return the file name of a source, safe on every operating system."""
    path = source
    if "://" in source:
        path = unquote(_shown(source).partition("://")[2].partition("/")[2])
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return re.sub(r'[<>:"|?*\x00-\x1f]', "_", name).lstrip(".") or "source"


def read_table(path: Path) -> pd.DataFrame:
    """Return the rows of a file; columns of CSV and Excel come as text."""
    failures = (*UNREADABLE, RuntimeError)  # as a zip file with a password raises
    with reported(failures, f"{path}: cannot be read", READABLE):
        table = table_of(path.read_bytes())
    # Else whole numbers with gaps would be floats, which cannot tell large ones apart.
    nullable = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    if frame.empty:
        raise DataError(f"{path}: no rows; expected a header line and rows below it")
    return frame


def _shown(url: str) -> str:
    """Return an address as messages may show it: without passwords and tokens."""
    return re.sub(r"//[^/]*@", "//", re.split("[?#]", url)[0])


def _record(target: Path, source: str) -> str:
    """Return what lies beside a raw file, for us and for ``sha256sum --check``."""
    # An address is hashed, as it may hold a token; paths differ between machines.
    address = hashlib.sha256(source.encode()).hexdigest() if "://" in source else "file"
    return f"# source {address}\n{sha256_of(target)}  {target.name}\n"


def _is_ingested(target: Path, source: str) -> bool:
    """Return whether the file is there as recorded, and from the same address."""
    record = Path(f"{target}.sha256")
    is_there = target.is_file() and record.is_file()
    return is_there and record.read_text(encoding="utf-8") == _record(target, source)


def _check_digest(path: Path, sha256: str | None) -> None:
    if sha256 is not None and (found := sha256_of(path)) != sha256:
        raise DataError(f"data.sha256: expected {sha256}, found {found}; correct one")


def _download(url: str, target: Path) -> None:
    """Write what ``url`` answers to ``target``, in several attempts if need be."""
    log.info("Downloading %s", _shown(url))
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRY))
        session.headers["Accept-Encoding"] = "identity"  # the bytes of the file itself
        try:
            with session.get(url, stream=True, timeout=30) as answer:
                answer.raise_for_status()
                size = int(answer.headers.get("Content-Length", 0)) or None
                bar = tqdm(total=size, unit="B", unit_scale=True, disable=None)
                with target.open("wb") as file, bar:
                    for chunk in answer.iter_content(2**20):
                        bar.update(file.write(chunk))
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            # Not its text, which holds the address, and with it perhaps a token.
            reason = f"HTTP status {status}" if status else type(error).__name__
            problem = f"{_shown(url)}: download failed ({reason})"
            raise DataError(f"data.source: {problem}; check it and try again") from None

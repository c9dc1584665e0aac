"""Reading tables: CSV (also compressed by gzip) and Parquet."""

import csv
import gzip
import io
import warnings
from pathlib import Path

import pandas as pd
from pandas.errors import ParserWarning
from pyarrow import ArrowException

from src.utils.errors import DataError

SEPARATORS = ",;\t|"
ENCODING = "utf-8-sig"  # UTF-8, with or without the byte-order mark that Excel writes
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"


def read_table(path: Path) -> pd.DataFrame:
    """Return the table that a CSV or Parquet file holds.

    The kind of file is told by its content, because a downloaded file need not have a
    telling name. Columns of a CSV file come as text, to be converted by ``coerce``:
    what a guess per file would make of ``007`` or ``1.0`` depends on the other rows.

    Args:
        path: The file. A CSV file has a header line, is UTF-8, and is separated by
            commas, semicolons, tabs or bars.

    Returns:
        At least one row; missing values are NaN.

    Raises:
        DataError: If the file is missing, cannot be read, or holds no rows.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
        if magic == PARQUET_MAGIC:
            frame = _read_parquet(path)
        else:
            frame = _read_csv(path, compressed=magic.startswith(GZIP_MAGIC))
    except FileNotFoundError:
        raise DataError(f"{path}: file not found") from None
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8"
        raise DataError(
            f"{path}: {problem}; expected a CSV or Parquet file, a CSV file in UTF-8"
        ) from None
    except (OSError, EOFError, ValueError, ArrowException, ParserWarning) as error:
        problem = " ".join(str(error).split())
        raise DataError(
            f"{path}: cannot be read ({problem}); expected a CSV or Parquet file"
        ) from None
    if frame.empty:
        raise DataError(f"{path}: no rows; expected a header line and rows below it")
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    """Return a Parquet file with its index, if it has names, among the columns."""
    frame = pd.read_parquet(path)
    has_names = any(name is not None for name in frame.index.names)
    frame = frame.reset_index(drop=not has_names)
    frame.columns = frame.columns.map(str)
    return frame


def _read_csv(path: Path, compressed: bool) -> pd.DataFrame:
    """Return a CSV file with every column as text."""
    with gzip.open(path) if compressed else path.open("rb") as stream:
        with io.TextIOWrapper(stream, encoding=ENCODING, newline="") as text:
            header = text.readline()
    with warnings.catch_warnings():
        # A first row that is longer than the header only makes pandas warn.
        warnings.simplefilter("error", ParserWarning)
        return pd.read_csv(
            path,
            sep=_separator(header),
            dtype="str",
            encoding=ENCODING,
            compression="gzip" if compressed else None,
            keep_default_na=False,
            na_values=[""],
            index_col=False,
        )


def _separator(header: str) -> str:
    """Return the separator that divides the header into the most columns."""
    return max(
        SEPARATORS, key=lambda mark: len(next(csv.reader([header], delimiter=mark)))
    )

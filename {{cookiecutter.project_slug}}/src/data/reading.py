"""From the bytes of a file or a request to a table. Columns of CSV and Excel come as
text: a guess from ``007`` or ``1.0`` would depend on the other rows."""

import codecs
import csv
import gzip
import io
import logging
from collections.abc import Iterable
from statistics import mode
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from python_calamine import CalamineError, CalamineWorkbook

from src.data.values import text_of

SEPARATORS = ",;\t|"
HEAD = 2**16  # bytes of a text that tell what separates its columns
MAX_EXPANSION = 200  # by which an Excel file may grow: more is a trap
GZIP, ZIP, OLD_EXCEL, PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1"
NO_TABLES = {b"<": "a web page or XML", b"{": "JSON", b"[": "JSON"}

logger = logging.getLogger(__name__)


class NoTable(ValueError):
    """What is there is no table, or not as it can be read."""


UNREADABLE = (
    *(NoTable, OSError, EOFError, UnicodeDecodeError, pa.ArrowException),
    *(BadZipFile, CalamineError, ZlibError),
)


def table_of(content: bytes) -> pa.Table:
    """Return the table that a file holds, also compressed by gzip or zip. Its content
    tells what it is, as the name of a download need not."""
    if content.startswith(GZIP):
        content = gzip.decompress(content)
    if content.startswith(ZIP):
        with ZipFile(io.BytesIO(content)) as archive:
            names = [n for n in archive.namelist() if not n.startswith("__MACOSX/")]
            if "[Content_Types].xml" in names or "mimetype" in names:
                return read_excel(content)
            if len(names) != 1:
                raise NoTable(f"a zip file of {names[:5]}, where one table is needed")
            content = archive.read(names[0])
    if content.startswith(OLD_EXCEL):
        return read_excel(content)
    if content.startswith(PARQUET):
        return named(pa.parquet.ParquetFile(io.BytesIO(content)).read())
    return read_csv(content)


def read_csv(content: bytes) -> pa.Table:
    """Return a table of text whose columns any of ``SEPARATORS`` separates."""
    text = _utf8(content).lstrip(b"\r\n")
    first, _, rest = text.partition(b"\n")
    if first[:4].lower() == b"sep=":  # by which a file tells Excel
        separator, text = first[4:5].strip(b"\r").decode() or ",", rest
    else:
        separator = _separator(text)
    start = text[:HEAD].lstrip()[:30]
    if what := NO_TABLES.get(start[:1]):
        raise NoTable(f"it is {what}, which begins with {start!r}")
    options = (
        pa.csv.ReadOptions(use_threads=False, block_size=max(min(len(text), 2**30), 1)),
        pa.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        pa.csv.ConvertOptions(default_column_type=pa.string()),
    )
    try:
        return named(pa.csv.read_csv(io.BytesIO(text), *options))
    except pa.ArrowInvalid as error:
        problem = str(error).removeprefix("CSV parse error: ")
        header = text.partition(b"\n")[0].decode()[:80]
        raise NoTable(f"{problem}; the first row, {header!r}, is the header") from None


def read_excel(content: bytes) -> pa.Table:
    """Return the first sheet of an Excel or OpenDocument file as a table of text."""
    if content.startswith(ZIP):
        with ZipFile(io.BytesIO(content)) as archive:
            size = sum(file.file_size for file in archive.infolist())
        if size > MAX_EXPANSION * len(content):
            raise NoTable(f"it would grow from {len(content)} to {size} bytes")
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    if len(book.sheet_names) > 1:
        logger.warning("only the first sheet of %s is read", book.sheet_names)
    texts = (list(map(text_of, row)) for row in book.get_sheet_by_index(0).to_python())
    rows = [row for row in texts if any(row)]
    if not rows:
        raise NoTable("its first sheet is empty")
    columns = [pa.array(values, pa.string()) for _, *values in zip(*rows, strict=True)]
    return named(pa.table(columns, rows[0]))


def named(table: pa.Table) -> pa.Table:
    """Return a table with a name of its own for each column, as pandas gives them."""
    return table.replace_schema_metadata().rename_columns(names_of(table.column_names))


def names_of(header: Iterable[str]) -> list[str]:
    """Return names without blanks around them, each once, as pandas makes them up."""
    names: dict[str, int] = {}  # and how often each was met
    for number, given in enumerate(header):
        name = base = given.strip() or f"Unnamed: {number}"
        while name in names:
            names[base] += 1
            name = f"{base}.{names[base]}"
        names[name] = 0
    return list(names)


def _utf8(content: bytes) -> bytes:
    """Return a text in UTF-8, without the mark that says so."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        problem = f"it is no UTF-8: line {line} has the byte {byte:#04x}"
        raise NoTable(f"{problem}; save it as UTF-8") from None
    if (at := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise NoTable(f"it is no text: line {line} has a NUL character")
    return content


def _separator(text: bytes) -> str:
    """Return what divides most of the first lines into as many parts."""
    lines = text[:HEAD].decode(errors="ignore").splitlines()[:20]

    def agreement(separator: str) -> tuple[bool, int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)] or [0]
        width = mode(widths)
        return width > 1, widths.count(width), width

    return max(SEPARATORS, key=agreement)

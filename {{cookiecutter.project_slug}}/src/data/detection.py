"""Which type of the data schema a column holds, told from its values."""

from dataclasses import dataclass
from datetime import datetime
from itertools import product

from pandas.api import types

from src.data.columns import Column, as_dates, as_text
from src.data.marks import BOOLEAN_WORDS, NONE_WORDS, NUMBER_PATTERN
from src.data.schema import ColumnType

# Numbers with more digits are codes: float64 could not tell them apart.
MAX_DIGITS = 15
CODE_PATTERN = r"[+-]?0[0-9].*|[0-9]{" + str(MAX_DIGITS + 1) + ",}"
WHOLE_PATTERN = r"[+-]?[0-9]+"
ISO_DATE_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*"
YEAR_PATTERN = r"[0-9]{4}"  # a cheap test, before dozens of formats are tried
DAYS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y"),
    *("%Y/%m/%d", "%Y.%m.%d", "%d-%b-%Y"),
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DATE_FORMATS = tuple(day + time for day, time in product(DAYS, TIMES))


@dataclass(frozen=True)
class Detected:
    """The type of a column, the format of its dates, and what a reviewer must know."""

    type: ColumnType
    format: str | None = None
    remark: str = ""


def detect(column: Column) -> Detected:
    """Return the strictest type that every value of ``column`` fits.

    Codes stay text: digits with leading zeros (``00501``), and those too long to be
    exact as numbers.

    Args:
        column: Values as ``read_table`` gives them.

    Returns:
        The type; ``category`` for text, and for a column without values.
    """
    if types.is_bool_dtype(column):
        return Detected("boolean")
    if types.is_datetime64_any_dtype(column):
        return Detected("date")
    text = as_text(column).dropna()
    text = text[~text.isin(NONE_WORDS)]
    if text.empty:
        return Detected("category")
    distinct = text.str.lower().unique()
    if len(distinct) == 2 and any(set(distinct) == set(p) for p in BOOLEAN_WORDS):
        return Detected("boolean")
    if types.is_float_dtype(column):
        return Detected("number")
    if text.str.fullmatch(NUMBER_PATTERN).all():
        if text.str.fullmatch(CODE_PATTERN).any():
            return Detected("category")
        whole = text.str.fullmatch(WHOLE_PATTERN).all()
        return Detected("integer" if whole else "number")
    return _detect_date(text) or Detected("category")


def _detect_date(text: Column) -> Detected | None:
    """Return how all of ``text`` can be read as dates, or None."""
    if text.str.fullmatch(ISO_DATE_PATTERN).all() and as_dates(text).notna().all():
        return Detected("date")
    if not text.str.contains(YEAR_PATTERN).all():
        return None
    fits = [
        date_format
        for date_format in DATE_FORMATS
        if _reads(text.iloc[0], date_format)
        and as_dates(text, date_format).notna().all()
    ]
    if not fits:
        return None
    # "%b" and "%B" both fit a column that is all May; they read it alike.
    doubtful = len({tuple(as_dates(text, each)) for each in fits}) > 1
    remark = f"Could also be {fits[1]}: check the format." if doubtful else ""
    return Detected("date", fits[0], remark)


def _reads(value: str, date_format: str) -> bool:
    """Return whether a value has the format; the quick way to rule most formats out."""
    try:
        datetime.strptime(value, date_format)
    except ValueError:
        return False
    return True

"""What a column that nobody has described holds, for ``infer_schema.py``: its type, how
its values are written, which of them stand for a missing one, and what is doubtful."""

import math
import re
from collections import Counter
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from src.data.columns import Column, as_text, convert
from src.data.schema import ColumnType
from src.data.values import BOOLEAN_WORDS, NONE_WORDS, NUMBER, read_or_none

SAMPLE = 20  # distinct values that tell which formats are worth a try
# Leading zeros (00501), and digits too many for float64 to tell the numbers apart.
CODE_PATTERN = r"[+-]?0[0-9]+|[0-9]{16,}"
# What people write for a missing number or date, in lower case.
MARKS = set(
    r". .. ... - -- --- – — \n * na n.a. n.a n/a nan none nil null missing unknown"
    " unspecified undefined tbd tba k.a. n.d. n/d #div/0! #value! #ref! #name? #num!"
    " #null!".split()
)
MARKS |= {"not available", "not applicable", "no data"}
# Also no date, 00 among decimals, infinity, and what is as good as that (DBL_MAX).
MARK_PATTERN = r"0000-00-00.*|0+|[+-]?(inf|infinity|∞|[0-9.]+e\+?[0-9]{2,3})"
MAX_SAID, MAX_LENGTH = 5, 30  # of values that are no numbers, and of one of them

STYLES = ("1,234.5", "1234,5", "1.234,5", "1 234,5", "1 234.5", "1'234.5", "1’234.5")
CURRENCY = r"(?:[A-Z]{0,2}[$€£¥₹₽₩₺₫₪]|USD|EUR|GBP|JPY|CHF|CNY|INR)"
UNIT = r"(?:[$€£¥₹₽₩₺₫₪%‰°µa-zA-Z][²³/a-zA-Z]{0,7})"
NUMBER_LIKE = re.compile(
    rf"\(?[+-]?({CURRENCY} ?)?[+-]?[0-9][0-9., '’\s]*?(\s?{UNIT})?\)?"
)
DAYS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%Y/%m/%d"),
    *("%Y.%m.%d", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
    *("%d-%b-%y", "%d %b %y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y"),
    *("%m-%d-%y", "%b %d %Y", "%d%b%Y", "%a, %d %b %Y"),
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DATE_FORMATS: list[str | None] = [None]  # of ISO 8601
DATE_FORMATS += [day + time for day, time in product(DAYS, TIMES)]
DATE_FORMATS += ["%H:%M:%S", "%H:%M", "%I:%M %p"]
DATE_FORMATS += ["%Y-%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%y"]
DATE_FORMATS += ["%d/%b/%Y:%H:%M:%S", "%a %b %d %H:%M:%S %Y", "%a %b %d %Y %H:%M:%S"]
DATE_LIKE = re.compile(
    r"(?=.{5,40}$)(?=.*[0-9])\w+,?([-/.,: +]+\w+)+|\d+[A-Za-z]{3}\d+"
)
COMPACT_DATE = r"(19|20)[0-9]{6}"


class Found(NamedTuple):
    """How the values of a column can be read, and what is doubtful about that."""

    type: ColumnType
    format: str | None = None
    missing: list[str] = []
    check: str = ""


def detect(column: Column) -> Found:
    """Return the strictest type that the values fit, but for marks of missing ones."""
    text = as_text(column)
    counts = text[~text.isin(NONE_WORDS)].value_counts()
    words = {str(word).lower() for word in counts.index}
    if types.is_bool_dtype(column) or any(words == set(p) for p in BOOLEAN_WORDS):
        return Found("boolean")
    if types.is_datetime64_any_dtype(column):
        return Found("date")
    values = pd.Series(counts.index, dtype="str")
    is_text = not types.is_numeric_dtype(column)
    ways = _ways(values) if is_text else [Found("number")]
    readings = [(way, convert(values, way)) for way in ways]
    if not readings:
        return Found("category")
    rows = counts.to_numpy()
    found, read = min(readings, key=lambda reading: reading[1].isna().to_numpy() @ rows)
    if found == Found("number") and not types.is_float_dtype(column):
        found, read = _plain(values, read)
    odd = counts[read.isna().to_numpy()]
    marks = [value for value in odd.index if _is_mark(value)]
    if found.type == "category" or counts.sum() < 2 * odd.drop(marks).sum():
        return found._replace(type="category", format=None)
    if len(marks) < len(odd) or counts.sum() < 2 * odd.sum():
        return Found("category", check=_nearly(found, text, odd))
    twins = [
        way.format or "1234.5"
        for way, other in readings
        if way.type == found.type and not other.equals(read)
        if other.isna().sum() == len(odd)
    ]
    check = f"Could also be written as {twins[0]}: see format." if twins else ""
    if "%y" in (found.format or "") and read.max() > pd.Timestamp.now():
        check += f" Years of two digits are read up to {read.max():%Y}: is that right?"
    return found._replace(missing=marks, check=check.strip())


def _ways(values: Column) -> list[Found]:
    """Return what reads some of a few values, the plainest first."""
    few = values.iloc[:: max(1, len(values) // SAMPLE)].head(SAMPLE).tolist()
    shapes = [NUMBER_LIKE.fullmatch(value) for value in few]
    around = Counter(shape.groups("") for shape in shapes if shape)
    ways = [Found("number")]
    is_whole = values.str.fullmatch("[+-]?[0-9]+").all()  # then all styles read it
    for before, after in [] if is_whole else [k for k, _ in around.most_common(1)]:
        styles = ("1234.5", *STYLES) if before + after else STYLES
        ways += [Found("number", f"{before}{style}{after}") for style in styles]
    if any(DATE_LIKE.fullmatch(v) and not re.fullmatch(NUMBER, v) for v in few):
        ways += [Found("date", date_format) for date_format in DATE_FORMATS]
    return [w for w in ways if any(read_or_none(v, w) is not None for v in few)]


def _plain(values: Column, numbers: Column) -> tuple[Found, Column]:
    """Return plain numbers as whole ones, codes or dates, if they are."""
    texts = values[numbers.notna()]
    codes = texts[texts.str.fullmatch(CODE_PATTERN)]
    if not texts.str.fullmatch("[+-]?[0-9]+").all():
        # Among decimals, 00 is no number.
        return Found("number"), numbers.mask(values.str.fullmatch("00+"))
    if texts.str.fullmatch(COMPACT_DATE).all():
        dates = convert(values, compact := Found("date", "%Y%m%d"))
        if dates[texts.index].notna().all():
            return compact, dates
    if codes.empty:
        return Found("integer"), numbers
    said = ", ".join(map(repr, codes[:3]))
    why = f"{said}: leading zeros, or too many digits for a number"
    are_alike = len(codes) == len(texts) or texts.str.len().nunique() == 1
    return Found("category", check="" if are_alike else f"Codes, as in {why}."), numbers


def _nearly(found: Found, text: Column, odd: "pd.Series[int]") -> str:
    """Say which values keep a column from being numbers or dates."""
    share = math.floor(1000 * (1 - odd.sum() / text.notna().sum())) / 10
    kind, written = found.type, f" as {found.format}" if found.format else ""
    rule = f"type: {kind}" + (f", format: {found.format!r}" if found.format else "")
    said = []
    for value, count in odd.head(MAX_SAID).items():
        rows = np.flatnonzero(text == value) + 1
        where = f"row {rows[0]}" if count == 1 else f"{count} rows"
        said.append(f"{str(value)[:MAX_LENGTH]!r} ({where})")
    more = f" and {len(odd) - MAX_SAID} others" if len(odd) > MAX_SAID else ""
    return (
        f"{share:g} % are {kind}s{written}, but not {', '.join(said)}{more}: "
        f"correct them, or list them under missing and set {rule}."
    )


def _is_mark(value: Any) -> bool:
    text = str(value).casefold()
    return text in MARKS or re.fullmatch(MARK_PATTERN, text) is not None

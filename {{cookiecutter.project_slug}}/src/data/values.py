"""How one value is read: alike in a file, a request and a table, and without pandas,
which the service does not have."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Protocol

# What stands for "no value" in files. Unlike in pandas, "None" is not among them for
# categories: it often is an answer ("no disorder"), and would be lost as a class.
MISSING_VALUES = ("", *"? NA N/A n/a #N/A <NA> NaN nan NaT NULL null".split())
NONE_WORDS = ("None", "none", "NONE")
# Pairs of a word for true and a word for false, in lower case.
BOOLEAN_WORDS = tuple(zip("true yes y t 1 1.0".split(), "false no n f 0 0.0".split()))
BOOLEANS = {word: word == pair[0] for pair in BOOLEAN_WORDS for word in pair}
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
WHOLE_FLOAT = r"([+-]?[0-9]+)\.0+"  # how a file has a code with missing ones beside it
NUMERIC = ("integer", "number")
MAX_NUMBER = 3.4028234663852886e38  # models compute in single precision
# The number 1234.5 as a column has it: thousands, decimals, and what is around them.
NUMBER_FORMAT = re.compile(r"([^\d-]*)1(\D?)234([.,])5(\D*)")
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
# A time of day, and how far it is ahead of UTC: +02:00, +0200, +02, Z, UTC.
ZONED = re.compile(
    r"(.*[T:][0-9]{2}(?:[.,][0-9]+)?(?: ?[AaPp][Mm])?) ?"
    r"(?:Z|UTC|GMT|([+-][0-9]{2}):?([0-9]{2})?)"
)


class Reading(Protocol):
    """What has to be known of a column to read its values."""

    @property
    def type(self) -> str: ...
    @property
    def format(self) -> str | None: ...
    @property
    def missing(self) -> Sequence[str]: ...


def text_of(value: object) -> str:
    """Return a value as text. 3.0 is "3": a missing value among whole numbers makes all
    of them float in a file."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return (value.isoformat() if isinstance(value, date) else str(value)).strip()


def read_value(value: Any, column: Reading) -> Any:
    """Return a value of a request or a table by the type of its column, and None if it
    is missing; ValueError says what is needed."""
    if value is None or value != value:  # as NaN is
        return None
    if isinstance(value, int | float) and column.type in NUMERIC and not column.missing:
        return _limited(value)
    if isinstance(value, datetime) and column.type == "date":
        return in_utc(value)
    if isinstance(value, list | dict):
        raise ValueError(f"a {column.type} is needed")
    return read_text(text_of(value), column)


def read_or_none(text: str, column: Reading) -> Any:
    """Return a text as ``read_text`` does, and None if it cannot be read."""
    try:
        return read_text(text, column)
    except ValueError:
        return None


def read_text(text: str, column: Reading) -> Any:
    """Return a text without blanks around it as ``read_value`` does."""
    kind = column.type
    if text in MISSING_VALUES or text in column.missing:
        return None
    if kind == "category":
        whole = re.fullmatch(WHOLE_FLOAT, text) if text[-1] == "0" else None
        return whole[1] if whole else text
    if text in NONE_WORDS:
        return None
    if kind == "date":
        return read_date(text, column.format)
    if kind != "boolean":
        return read_number(text, column.format)
    if text.lower() not in BOOLEANS:
        raise ValueError("true or false is needed")
    return BOOLEANS[text.lower()]


def read_number(text: str, number_format: str | None = None) -> float:
    """Return a number, also one in parentheses, which is negative in accounts."""
    if text[:1] == "(" and text[-1:] == ")":
        return -read_number(text[1:-1].strip(), number_format)
    pattern, thousands, decimal = _style(number_format)
    if not (found := pattern.fullmatch(text)):
        written = f" written as {number_format}" if number_format else ""
        raise ValueError(f"a number{written} is needed")
    digits = re.sub(thousands, "", found["digits"]) if thousands else found["digits"]
    number = _limited(float(found["sign"] + digits.replace(decimal, ".")))
    return -number if found["minus"] else number


def _limited(number: float) -> float:
    if abs(number) > MAX_NUMBER:
        raise ValueError(f"a number up to {MAX_NUMBER} is needed")
    return number


@cache
def _style(number_format: str | None) -> tuple[re.Pattern[str], str, str]:
    """Return the pattern of numbers in a format, and its marks."""
    example = NUMBER_FORMAT.fullmatch(number_format or "1234.5")
    assert example  # the data schema takes no other
    before, thousands, decimal, after = example.groups()
    thousands = r"\s" if thousands.isspace() else re.escape(thousands)
    whole, rest = "[0-9]+", rf"{re.escape(decimal)}[0-9]"
    if thousands:
        whole = rf"[1-9][0-9]?[0-9]?(?:{thousands}[0-9][0-9][0-9])+|{whole}"
    around = [f"(?:{re.escape(text.strip())})?" for text in (before, after)]
    number = rf"(?P<digits>(?:(?:{whole})(?:{rest}*)?|{rest}+)(?:[eE][+-]?[0-9]+)?)"
    start, end = rf"(?P<minus>-(?=\D))?{around[0]}\s*", rf"\s*{around[1]}"
    return re.compile(rf"{start}(?P<sign>[+-]?){number}{end}"), thousands, decimal


def read_date(text: str, date_format: str | None = None) -> datetime:
    """Return a date in a format of ``strptime``, else of ISO 8601, in UTC."""
    found = ZONED.fullmatch(text)
    zoned = f"{found[1]}{found[2] or '+00'}{found[3] or '00'}" if found else text
    try:
        if date_format is None:
            if not ISO_DATE.fullmatch(text):
                raise ValueError
            return in_utc(datetime.fromisoformat(zoned))
        try:
            return in_utc(datetime.strptime(text, date_format))
        except ValueError:
            if not found:
                raise
            return in_utc(datetime.strptime(zoned, f"{date_format}%z"))
    except ValueError:
        written = date_format or "2024-12-31"
        raise ValueError(f"a date written as {written} is needed") from None


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC, without the time zone."""
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise ValueError("a date between the years 1 and 9999 is needed") from None


def date_text(moment: datetime, date_format: str | None) -> str:
    """Return a date as ``read_date`` reads it."""
    if date_format is None:
        return moment.isoformat()
    # Where strftime does not fill the year up, strptime would not read it back.
    padded = date_format.replace("%Y", f"{moment.year:04}")
    return moment.replace(tzinfo=UTC).strftime(padded)

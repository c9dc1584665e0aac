"""One value of a request as the data are read: text, an answer, a date.

The rules are those of ``src/data/columns.py``, for a single value and without pandas.
"""

import math
import re
from datetime import UTC, datetime

from src.data.marks import BOOLEAN_WORDS, MISSING_MARKS, NONE_WORDS

MISSING = frozenset(MISSING_MARKS)
MISSING_OR_NONE = MISSING | frozenset(NONE_WORDS)
ANSWERS = {
    word: answer
    for words in BOOLEAN_WORDS
    for word, answer in zip(words, (True, False), strict=True)
}
# The forms of ISO 8601 that pandas reads too; those of weeks and ordinals are not.
ISO_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"([T ]([0-9]{2}):([0-9]{2})(:([0-9]{2})([.][0-9]{1,9})?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def read_text(value: object) -> str | None:
    """Return a text, or a number as text, without surrounding blanks.

    Returns:
        None if it stands for no value. A whole number has no decimals: 3.0 is "3".

    Raises:
        ValueError: If it is neither text nor a finite number.
    """
    match value:
        case None:
            return None
        case str():
            text = value.strip()
        case int() if not isinstance(value, bool):
            text = str(value)
        case float() if math.isfinite(value):
            text = str(int(value) if value.is_integer() else value)
        case _:
            raise ValueError("Input should be text or a number")
    return None if text in MISSING else text


def read_boolean(value: object) -> bool | None:
    """Return true or false, whatever word or number says so; None if missing.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(value, bool):
        return value
    try:
        text = read_text(value)
    except ValueError:
        raise ValueError("Input should be true or false") from None
    if text is None or text in NONE_WORDS:
        return None
    answer = ANSWERS.get(text.lower())
    if answer is None:
        raise ValueError("Input should be true or false")
    return answer


def read_date(value: object, date_format: str | None) -> datetime | None:
    """Return a date in UTC, without the time zone; None if missing.

    Args:
        value: A date, or text.
        date_format: How ``strptime`` reads the text; ISO 8601 if None.

    Raises:
        ValueError: If it cannot be read.
    """
    if isinstance(value, datetime):
        date = value
    else:
        wanted = f"Input should be a date as {date_format or 'ISO 8601'}"
        try:
            text = read_text(value)
            if text is None or text in NONE_WORDS:
                return None
            date = _parse(text, date_format)
        except (OverflowError, ValueError):
            raise ValueError(wanted) from None
    return date


def _parse(text: str, date_format: str | None) -> datetime:
    """Return the date that a text says; ValueError if it says none."""
    if date_format is not None:
        date = datetime.strptime(text, date_format)
    elif ISO_DATE.fullmatch(text):
        date = datetime.fromisoformat(text)
    else:
        raise ValueError(text)
    return date if date.tzinfo is None else date.astimezone(UTC).replace(tzinfo=None)

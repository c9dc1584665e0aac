"""Text that comes from data, made safe to stand in Markdown."""

import re

MAX_CODE_LENGTH = 30


def escape(text: str) -> str:
    """Return text in one line that is not taken for Markdown, HTML or a cell's end."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def code(value: str) -> str:
    """Return a value as Markdown code, shortened, in as many backticks as it needs."""
    text = " ".join(value.split())
    if len(text) > MAX_CODE_LENGTH:
        text = text[: MAX_CODE_LENGTH - 1] + "…"
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def table(rows: list[list[str]]) -> list[str]:
    """Return the lines of a Markdown table; the first row is its head."""
    head, *body = rows
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]

"""The distinct texts of a file, over all assignments of the questions behind it.

A file that is read as a whole (YAML, a Makefile) is put together for every joint
assignment of its pieces. A linewise one (Markdown) is judged in *windows*: two pieces
that always hold something visible, and what stands between them. Blank lines cannot
reach across such a piece, so every flaw of spacing lies within a window, and hub files
that read every answer stay cheap.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.combinations.answers import Assignment
from tests.combinations.kinds import LINEWISE, kind_of
from tests.combinations.model import Model, Problem, key
from tests.combinations.pieces import Piece

FENCED = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST = 20_000  # joint assignments of one file, or window, that we are ready to try


@dataclass(frozen=True)
class Text:
    """A text that a file may have, or a part of it.

    Attributes:
        path: Where the file lands.
        source: Its path in the template.
        content: The text.
        is_start: Whether the file starts with it.
        is_end: Whether the file ends with it.
    """

    path: str
    source: str
    content: str
    is_start: bool = True
    is_end: bool = True

    @property
    def kind(self) -> str:
        """The kind of the file."""
        return kind_of(self.path)


def distinct_texts(model: Model) -> tuple[dict[Text, Assignment], list[Problem], int]:
    """Return every distinct text with the first assignment that leads to it.

    Returns:
        The texts, the files that read too many questions at once, and the number of
        texts that were put together.
    """
    texts: dict[Text, Assignment] = {}
    problems = []
    joined = 0
    for source, pieces in model.pieces.items():
        for start, end in _spans(source, pieces):
            part = pieces[start:end]
            asked = {name for piece in part for name in piece.questions}
            asked |= model.owners[source]
            if model.questions.count(asked) > MOST:
                questions = ", ".join(sorted(asked))
                message = f"depends on too many questions at once: {questions}"
                problems.append(Problem(source, message))
                continue
            for assignment in model.questions.assignments(asked):
                landing = model.landing(source, assignment)
                if landing is None:
                    continue
                joined += 1
                content = "".join(piece.texts[key(piece, assignment)] for piece in part)
                at_end = end == len(pieces)
                text = Text(landing, source, content, start == 0, at_end)
                texts.setdefault(text, assignment)
    return texts, problems, joined


def fenced_commands(texts: dict[Text, Assignment]) -> dict[Text, Assignment]:
    """Return the fenced bash blocks of Markdown texts, as scripts of their own."""
    return {
        Text(f"{text.path}.bash", text.source, f"#!/usr/bin/env bash\n{block}"): answers
        for text, answers in texts.items()
        if text.kind == "markdown"
        for block in FENCED.findall(text.content)
    }


def _spans(source: str, pieces: list[Piece]) -> Iterator[tuple[int, int]]:
    """Yield the (first, last + 1) pieces of each part that is looked at as one."""
    if kind_of(source) not in LINEWISE:
        yield 0, len(pieces)
        return
    solid = [
        number
        for number, piece in enumerate(pieces)
        if all(text.strip() for text in piece.texts.values())
    ]
    edges = sorted({0, *solid, max(len(pieces) - 1, 0)})
    if len(edges) < 2:
        yield 0, len(pieces)
    for start, end in zip(edges, edges[1:], strict=False):
        yield start, end + 1

"""Facts about a project that hold under some answers and not under others.

A fact is something that a file says or is: "the Makefile has a target `serve`". It
holds if the file lands in the project and the piece that says so was rendered with it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.combinations.answers import Assignment
from tests.combinations.model import Model, key
from tests.combinations.pieces import Piece

# What is said, and of what sort it is: ("make target", "serve").
Name = tuple[str, str]
# (where a file lands, its text) -> what it says
Find = Callable[[str, str], Iterable[Name]]


@dataclass(frozen=True)
class Fact:
    """Something that a file says.

    Attributes:
        source: The file, in the template.
        landing: Where it lands, for the fact to hold.
        piece: The piece that says it, by number; None if the file's being there is all.
        keys: The values of the piece's questions under which it says so.
    """

    source: str
    landing: str
    piece: int | None = None
    keys: frozenset[tuple[str, ...]] = frozenset()

    def questions(self, model: Model) -> frozenset[str]:
        """Return the questions that decide whether the fact holds."""
        piece = self._piece(model)
        return model.owners[self.source] | set(piece.questions if piece else ())

    def holds(self, model: Model, assignment: Assignment) -> bool:
        """Tell whether the fact holds under an assignment of its questions."""
        if model.landing(self.source, assignment) != self.landing:
            return False
        piece = self._piece(model)
        return piece is None or key(piece, assignment) in self.keys

    def _piece(self, model: Model) -> Piece | None:
        return None if self.piece is None else model.pieces[self.source][self.piece]


def gather(model: Model, find: Find) -> dict[Name, list[Fact]]:
    """Return what the texts of all files say, with the facts that they say it.

    Args:
        model: The template.
        find: Returns what a text says, given where its file lands, and the text.
    """
    facts: dict[Name, list[Fact]] = defaultdict(list)
    for source, pieces in model.pieces.items():
        for landing in sorted(model.landings(source)):
            for number, piece in enumerate(pieces):
                said: dict[Name, set[tuple[str, ...]]] = defaultdict(set)
                for values, text in piece.texts.items():
                    for name in find(landing, text):
                        said[name].add(values)
                for name, keys in said.items():
                    always = len(keys) == len(piece.texts)
                    facts[name].append(
                        Fact(source, landing)
                        if always
                        else Fact(source, landing, number, frozenset(keys))
                    )
    return facts

"""Cuts a template into pieces of whole lines, each with the variables it reads.

A file is the concatenation of its pieces, so a piece is rendered for the assignments
of its own questions only. A cut is made where a line of the output certainly ends:
after a line break outside of every block, or after a block each of whose branches ends
in a line break. A fenced block of Markdown stays whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cookiecutter.environment import StrictEnvironment
from jinja2 import Template, meta, nodes

from tests.combinations.answers import variables_in

KNOWN_NAMES = {"cookiecutter", "range", "dict"}


@dataclass
class Piece:
    """Some whole lines of a template.

    Attributes:
        atoms: Their syntax tree.
        variables: The variables of cookiecutter that they read.
        questions: The questions behind those, sorted.
        texts: Rendered text by the values of ``questions``.
    """

    atoms: list[nodes.Node]
    variables: frozenset[str]
    questions: tuple[str, ...] = ()
    texts: dict[tuple[str, ...], str] = field(default_factory=dict)

    def compile(self, environment: StrictEnvironment) -> Template | str:
        """Return the piece ready to be rendered; text if it is always the same."""
        literal = literal_text(self.atoms)
        if literal is not None:
            return literal
        body: list[nodes.Node] = [
            atom if isinstance(atom, nodes.Stmt) else nodes.Output([atom], lineno=1)
            for atom in self.atoms
        ]
        tree = nodes.Template(body, lineno=1)
        template: Template = environment.from_string(tree)
        return template


def literal_text(atoms: list[nodes.Node]) -> str | None:
    """Return the text of atoms that are nothing but text, otherwise None."""
    texts = [atom.data for atom in atoms if isinstance(atom, nodes.TemplateData)]
    return "".join(texts) if len(texts) == len(atoms) else None


def cut(source: str, environment: StrictEnvironment) -> list[Piece]:
    """Cut the source of a template into pieces.

    Raises:
        ValueError: If the template includes another one, or reads a name that
            cookiecutter does not define: then its text is no function of the answers.
    """
    tree = environment.parse(source)
    if list(meta.find_referenced_templates(tree)):
        raise ValueError("includes or imports another template")
    unknown = meta.find_undeclared_variables(tree) - KNOWN_NAMES
    if unknown:
        raise ValueError(f"reads {', '.join(sorted(unknown))}, which no question sets")
    if any(isinstance(node, nodes.Assign | nodes.Macro) for node in tree.body):
        return [_piece(tree.body)]
    groups = _grouped(_atoms(tree.body))
    return [_piece(atoms) for atoms in groups]


def _piece(atoms: list[nodes.Node]) -> Piece:
    tree = nodes.Template(list(atoms), lineno=1)
    return Piece(list(atoms), frozenset(variables_in(tree)))


def _atoms(body: list[nodes.Node]) -> Iterator[nodes.Node]:
    """Yield the parts of the output in order, text line by line."""
    for node in body:
        for part in node.nodes if isinstance(node, nodes.Output) else [node]:
            if isinstance(part, nodes.TemplateData):
                for line in part.data.splitlines(keepends=True):
                    yield nodes.TemplateData(line, lineno=part.lineno)
            else:
                yield part


def _grouped(atoms: Iterator[nodes.Node]) -> list[list[nodes.Node]]:
    """Group atoms into whole lines, then neighbouring lines of mere text."""
    groups: list[list[nodes.Node]] = [[]]
    fenced = False
    for atom in atoms:
        at_line_start = not groups[-1] or _ends_line(groups[-1][-1])
        groups[-1].append(atom)
        is_text = isinstance(atom, nodes.TemplateData)
        if isinstance(atom, nodes.TemplateData) and at_line_start:
            fenced ^= atom.data.lstrip().startswith("```")
        if _ends_line(atom) and (is_text or at_line_start) and not fenced:
            groups.append([])
    merged: list[list[nodes.Node]] = []
    for group in filter(None, groups):
        if (
            merged
            and literal_text(group) is not None
            and literal_text(merged[-1]) is not None
        ):
            merged[-1].extend(group)
        else:
            merged.append(group)
    return merged


def _ends_line(node: nodes.Node) -> bool:
    """Tell whether the output is at the start of a line after the node."""
    if isinstance(node, nodes.TemplateData):
        return node.data.endswith("\n")
    if isinstance(node, nodes.If):
        branches = [node.body, *(inner.body for inner in node.elif_), node.else_]
        return all(not branch or _ends_line(branch[-1]) for branch in branches)
    if isinstance(node, nodes.For):
        return bool(node.body) and _ends_line(node.body[-1])
    if isinstance(node, nodes.Output):
        return _ends_line(node.nodes[-1])
    return False

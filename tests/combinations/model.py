"""What cookiecutter and the hooks make of the template, without running them.

``Model.predict`` gives the whole project for a full assignment; the parts it is made of
(``pieces``, ``landing``) are what the checks work on. ``test_combinations.py`` compares
predictions with projects that cookiecutter really made, byte for byte.
"""

import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from binaryornot.check import is_binary
from jinja2 import TemplateError

from tests.combinations.answers import Assignment, Questions
from tests.combinations.pieces import Piece, cut

FOLDER = "{{cookiecutter.project_slug}}"


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file, and the answers that bring it about."""

    path: str
    message: str
    answers: str = ""

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.path}: {self.message}" + (self.answers and f" [{self.answers}]")


def shown(assignment: Assignment) -> str:
    """Return an assignment in one short line."""
    return ", ".join(f"{name}={value[:40]}" for name, value in assignment.items())


def template_files(template: Path) -> list[str]:
    """Return the paths below the project folder that belong to the template.

    In a repository these are the tracked files and the new ones that its own
    ``.gitignore`` does not ignore (the one of the generated project has no say).
    """
    folder = template / FOLDER
    if not (template / ".git").exists():
        found = (path.relative_to(folder) for path in folder.rglob("*"))
        return sorted(p.as_posix() for p in found if not (folder / p).is_dir())
    ignored = f"--exclude-from={template / '.gitignore'}"
    command = ["git", "ls-files", "-z", "--cached", "--others", ignored, "--", "."]
    listed = subprocess.run(command, cwd=folder, check=True, capture_output=True)
    paths = listed.stdout.decode().split("\0")
    return sorted({path for path in paths if path and (folder / path).is_file()})


def load_hook(template: Path) -> ModuleType:
    """Import ``hooks/post_gen_project.py`` as it is, unrendered."""
    path = template / "hooks/post_gen_project.py"
    spec = importlib.util.spec_from_file_location("post_gen_project", path)
    assert spec and spec.loader, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Model:
    """The template: its questions, its files in pieces, and who owns which path.

    Attributes:
        questions: What cookiecutter.json asks.
        pieces: Template path -> its pieces; none for a binary file.
        problems: What could not be parsed or rendered.
        renders: How many times a piece was rendered.
    """

    def __init__(self, template: Path) -> None:
        """Read the template and render each piece for all assignments it reads."""
        self.template = template
        self.folder = template / FOLDER
        self.questions = Questions(template)
        self.hook = load_hook(template)
        self.paths = template_files(template)
        self.pieces: dict[str, list[Piece]] = {}
        self.problems: list[Problem] = []
        self.renders = 0
        self._rules = {path: self._rules_for(path) for path in self.paths}
        self.owners = {
            path: self.questions.closure(rules) for path, rules in self._rules.items()
        }
        self._landed: dict[tuple[str, ...], str | None] = {}
        for path in self.paths:
            if not is_binary(str(self.folder / path)):
                self._read(path)

    def _rules_for(self, path: str) -> dict[str, dict[str, list[str]]]:
        """Return the part of the ownership table that speaks about a path."""
        rules: dict[str, dict[str, list[str]]] = {}
        for variable, choices in self.hook.OWNED_PATHS.items():
            for choice, owned in choices.items():
                entries = [e for e in owned if covers(self.hook.split(e)[0], path)]
                if entries:
                    rules.setdefault(variable, {})[choice] = entries
        return rules

    def _read(self, path: str) -> None:
        if "{{" in path or "{%" in path:
            self.problems.append(Problem(path, "Jinja in the name of a file"))
        try:
            source = (self.folder / path).read_text(encoding="utf-8")
            pieces = cut(source, self.questions.environment)
            for piece in pieces:
                piece.questions = tuple(sorted(self.questions.closure(piece.variables)))
                self._render(piece)
            self.pieces[path] = pieces
        except (TemplateError, ValueError, UnicodeDecodeError) as error:
            self.problems.append(Problem(path, f"cannot be rendered: {error}"))
        except KeyError as error:
            self.problems.append(Problem(path, f"no question or variable {error}"))

    def _render(self, piece: Piece) -> None:
        compiled = piece.compile(self.questions.environment)
        if isinstance(compiled, str):
            piece.texts[()] = compiled
            return
        for assignment in self.questions.assignments(piece.questions):
            value = self.questions.value
            names = {name: value(name, assignment) for name in piece.variables}
            text = compiled.render(cookiecutter=names)
            piece.texts[key(piece, assignment)] = text
            self.renders += 1

    def landing(self, path: str, assignment: Assignment) -> str | None:
        """Return where a path of the template lands; None if it is pruned.

        Args:
            path: A file of the template.
            assignment: Of ``owners[path]`` at least.
        """
        rules = self._rules[path]
        if not rules:
            return path
        memo = (path, *(assignment[name] for name in sorted(self.owners[path])))
        if memo not in self._landed:
            value = self.questions.value
            answers = {name: value(name, assignment) for name in rules}
            kept = self.hook.entries(rules, answers, chosen=True)
            lands = kept[0][1] if kept else None
            self._landed[memo] = path if lands and lands.endswith("/") else lands
        return self._landed[memo]

    def landings(self, path: str) -> set[str]:
        """Return all places where a path of the template may land."""
        assignments = self.questions.assignments(self.owners[path])
        return {p for a in assignments if (p := self.landing(path, a))}

    def text(self, path: str, assignment: Assignment) -> str:
        """Return the rendered text of a file under an assignment of its questions."""
        return "".join(p.texts[key(p, assignment)] for p in self.pieces[path])

    def predict(self, assignment: Assignment) -> dict[str, bytes]:
        """Return the files of the project that a full assignment leads to."""
        project = {}
        for path in self.paths:
            landing = self.landing(path, assignment)
            if landing and path in self.pieces:
                project[landing] = self.text(path, assignment).encode()
            elif landing:
                project[landing] = (self.folder / path).read_bytes()
        return project


def covers(entry: str, path: str) -> bool:
    """Tell whether an entry of the ownership table speaks about a path."""
    return path.startswith(entry) if entry.endswith("/") else path == entry


def key(piece: Piece, assignment: Assignment) -> tuple[str, ...]:
    """Return the values of a piece's questions in an assignment."""
    return tuple(assignment[name] for name in piece.questions)

"""What text files offer and need: paths, links, targets, requirements, variables."""

import posixpath
import re
from collections.abc import Iterable, Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tests.combinations.facts import Name
from tests.combinations.kinds import IS_APART, kind_of

TARGET = re.compile(r"^([\w.-]+(?: [\w.-]+)*)\s*:(?![=:])", re.MULTILINE)
# `make` with its targets where a command stands: in code, or after "run" in a message.
MAKE_LINE = re.compile(
    r"(?:^\s*|`|&& |; |run: |\$ )(?:[A-Z_]+=\S* )*make((?: [\w.-]+(?:=\S*)?)+)", re.M
)
MAKE_SAID = re.compile(r"(?:`|[Rr]un |[Nn]ext: )make( [a-z][\w-]*)")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SETTING = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
COPY = re.compile(r"^(?:COPY|ADD)((?: --chown=\S+)?(?: [^-\s]\S*)+) \S+$", re.MULTILINE)

# Kinds that name paths of the project, as opposed to patterns or data.
WITH_PATHS = {"make", "markdown", "yaml", "workflow", "dockerfile", "env", "toml"}
WITH_COMMANDS = {"markdown", "yaml", "workflow", "dockerfile", "env"}


def offers(landing: str, text: str) -> Iterator[Name]:
    """Yield the path that a file is, its targets, headings, requirements, variables."""
    yield "path", landing
    parent = posixpath.dirname(landing)
    while parent:
        yield "path", parent
        parent = posixpath.dirname(parent)
    match kind_of(landing):
        case "make":
            for targets in TARGET.findall(text):
                yield from (("make target", name) for name in targets.split())
        case "markdown":
            for heading in HEADING.findall(text):
                yield "link", f"{landing}#{anchor(heading)}"
        case "env":
            for name in SETTING.findall(text):
                yield "documented variable", name
        case "requirements":
            sort = "pin" if landing == "constraints.txt" else "requirement"
            sort = f"{sort} apart" if landing in IS_APART else sort
            yield from ((sort, name) for name in requirements(text))


class Needs:
    """Finds what text files need; it knows which names at the root are paths."""

    def __init__(self, paths: Iterable[str], prefixes: Iterable[str]) -> None:
        """Take the paths where files may land, and the prefixes of settings.

        Args:
            paths: All landings, over all answers.
            prefixes: Such as ``MLOPS_``: variables that begin so are settings.
        """
        self.paths = set(paths)
        folders = sorted({path.split("/")[0] for path in self.paths if "/" in path})
        roots = sorted(path for path in self.paths if "/" not in path)
        below = rf"(?:{'|'.join(map(re.escape, folders))})/[\w./-]*[*<{{$]?"
        root = rf"(?:{'|'.join(map(re.escape, roots))})(?![\w./-]*\w)"
        self.path = re.compile(rf"(?<![\w./:@~-])(?:\./)?({below}|{root})")
        self.variable = re.compile(rf"\b(?:{'|'.join(prefixes)})[A-Z0-9_]+\b")

    def __call__(self, landing: str, text: str) -> Iterator[Name]:
        """Yield what a text needs."""
        kind = kind_of(landing)
        if kind == "python" and not landing.startswith("tests/"):
            known = (path for path in self._paths(text) if path in self.paths)
            yield from (("path", path) for path in known)
        if kind in ("python", "make", "notebook"):
            yield from _make_targets(MAKE_SAID, text)
        if kind in WITH_PATHS:
            yield from (("path", path) for path in self._paths(text))
            yield from (("setting", name) for name in self.variable.findall(text))
        if kind in WITH_COMMANDS:
            yield from _make_targets(MAKE_LINE, text)
        match kind:
            case "markdown":
                yield from _links(landing, text)
            case "env":
                yield from (("setting", name) for name in SETTING.findall(text))
            case "dockerfile":
                for sources in COPY.findall(text):
                    named = [s for s in sources.split() if not s.startswith("-")]
                    yield from (("path", s.rstrip("/")) for s in named if s != ".")
            case "requirements" if landing != "constraints.txt":
                apart = landing in IS_APART
                for name in requirements(text):
                    if not apart:
                        yield "pin", name
                    yield "import apart" if apart else "import", name

    def _paths(self, text: str) -> Iterator[str]:
        for found in self.path.findall(text):
            path = found.rstrip(".,")
            if path[-1] in "*<{$":  # what stands for several files: the folder
                path = posixpath.dirname(path)
            yield path.rstrip("/")


def requirements(text: str) -> Iterator[str]:
    """Yield the distributions that the lines of a requirements file name."""
    yield from (canonicalize_name(Requirement(r).name) for r in requirement_lines(text))


def requirement_lines(text: str) -> Iterator[str]:
    """Yield the requirements of a file, without comments and options."""
    for line in text.splitlines():
        wanted = line.split(" #")[0].strip()
        if wanted and not wanted.startswith(("#", "-")):
            try:
                yield str(Requirement(wanted))
            except InvalidRequirement:  # parsers.py reports it
                continue


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _make_targets(pattern: re.Pattern[str], text: str) -> Iterator[Name]:
    for words in pattern.findall(text):
        yield from (("make target", word) for word in words.split() if "=" not in word)


def _links(landing: str, text: str) -> Iterator[Name]:
    for target in LINK.findall(text):
        path, _, fragment = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = posixpath.normpath(posixpath.join(posixpath.dirname(landing), path))
        file = file if path else landing
        yield "path", file
        if fragment:
            yield "link", f"{file}#{fragment}"

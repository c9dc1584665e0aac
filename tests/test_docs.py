"""What the documents of this repository say is true of it and of what it generates."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docs import options, tour
from tests.combinations.model import Model
from tests.forgotten import INLINE, additions, landings, within
from tests.generating import FOLDER, clean_template
from tests.generating import TEMPLATE as ROOT

PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
BIN = Path(sys.executable).parent

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)
PATH = re.compile(r"\.?[\w{}.-]+(/[\w{}.-]+)*/?")
SUFFIXES = (".py", ".md", ".yaml", ".yml", ".json", ".toml", ".txt", ".html", ".csv")
DOTFILES = (".env", ".flake8", ".dvcignore", ".dockerignore", ".gitignore")

# Where GitHub has the button, from the README of whatever repository this is.
BUTTON = "../../generate"
# What pipelines, cruft, or the reader of a page make: it is in no generated tree.
MADE_LATER = re.compile(
    r"reports/|models/latest_model|data/processed/|data/raw/|\.env$|\.cruft\.json$"
    r"|(\.\./)?customers\.csv$|team\.yaml$|\.venv/|site/|build/|path/to/|\.vscode/"
    r"|my-ml-project/|customer-churn|\.cookiecutter-|\.github/project-workflows/"
)


@pytest.fixture(scope="module")
def project() -> set[str]:
    """Every file that some project has."""
    return landings(Model(ROOT))


def commands() -> set[str]:
    """Return the targets of the two Makefiles, this repository's and the project's."""
    texts = [(folder / "Makefile").read_text() for folder in (ROOT, FOLDER)]
    return set(re.findall(r"^([a-z-]+):", "\n".join(texts), re.MULTILINE))


def looks_like_path(word: str) -> bool:
    """Tell whether inline code names a file or directory."""
    if not PATH.fullmatch(word):
        return False
    if word in SUFFIXES:
        return False
    return word.endswith((*SUFFIXES, "/")) or word in DOTFILES or word.count("/") > 1


def test_the_site_builds_strictly_and_its_pages_fetch_nothing(tmp_path: Path) -> None:
    site = tmp_path / "site"
    # Not --quiet: with it, mkdocs does not count its warnings, and --strict is none.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    built = subprocess.run(
        [*command, "--site-dir", str(site)], cwd=ROOT, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    fetched = re.compile(r"<(?:script|img|iframe)[^>]+src=\"?(?:https?:)?//|@import")
    styles = re.compile(r"<link[^>]+rel=\"?(?:stylesheet|preconnect)[^>]+https?://")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not fetched.search(text) and not styles.search(text), page.name


def test_measured_costs_are_of_choices_that_exist() -> None:
    catalogue = options.Catalogue()
    offered = {
        f"{question}={choice}"
        for question in catalogue.questions.values
        for choice in catalogue.choices(question)
    }
    assert set(options.load_measured().get("choices", {})) <= offered


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path, project: set[str]) -> None:
    text = page.read_text(encoding="utf-8")
    prose = FENCED.sub("", text)
    folders = {f"{p}/" for file in project for p in map(str, Path(file).parents)}
    words = [word for word in INLINE.findall(prose) if looks_like_path(word)]
    missing = [
        word
        for word in words
        if not MADE_LATER.match(word)
        and word not in project
        and f"{word.rstrip('/')}/" not in folders
        and not (ROOT / word).exists()
    ]
    links = [link.partition("#")[0] for link in LINK.findall(prose)]
    missing += [
        link
        for link in links
        if link not in ("", BUTTON)
        and "://" not in link
        and not (page.parent / link).exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_make_command_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = [body for language, _, body in FENCED.findall(text) if language == "bash"]
    lines = "\n".join(code).splitlines() + INLINE.findall(FENCED.sub("", text))
    named = {
        word
        for line in lines
        if (match := re.match(r"make ([a-z -]+)", line))
        for word in match[1].split()
    }
    assert named <= commands()


def test_each_file_that_has_a_reason_exists(project: set[str]) -> None:
    known = additions(ROOT)
    assert not [
        entry for entry in known if not any(within(p, [entry]) for p in project)
    ]


def test_own_workflows_are_sound_and_pinned() -> None:
    workflows = sorted(str(path) for path in (ROOT / ".github/workflows").glob("*.yml"))
    for command in (
        [str(BIN / "actionlint"), *workflows],
        [str(BIN / "zizmor"), "--offline", "--quiet", str(ROOT / ".github")],
    ):
        checked = subprocess.run(command, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    for workflow in workflows:
        for line in Path(workflow).read_text(encoding="utf-8").splitlines():
            if "uses:" in line:
                assert re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_commit_hooks_are_local_and_installed() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        program, *arguments = hook["entry"].split()
        if program == ".venv/bin/python":
            assert importlib.util.find_spec(arguments[1]), hook["entry"]
        elif program.startswith(".venv/bin/"):
            assert (BIN / Path(program).name).exists(), hook["entry"]
        else:
            assert program == "make" and arguments[0] in commands(), hook["entry"]
    assert importlib.util.find_spec("pre_commit"), "CONTRIBUTING.md names it"


@pytest.mark.slow
def test_the_line_that_the_readme_gives_to_who_has_uv_generates_a_project(
    tmp_path: Path,
) -> None:
    (line,) = re.findall(r"`(uvx .*)`", (ROOT / "README.md").read_text("utf-8"))
    clone = shutil.copytree(clean_template(), tmp_path / "clone")
    command = [str(BIN / line.split()[0]), *line.split()[1:], "--no-input"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my-ml-project/Makefile").exists()


@pytest.mark.slow
def test_the_commands_of_the_tour_print_what_it_shows() -> None:
    shown = tour.PAGE.read_text(encoding="utf-8")
    number = re.compile(r"\d[\w.,:-]*")
    renewed = number.sub("#", tour.written())
    assert number.sub("#", shown) == renewed, "run: .venv/bin/python -m docs.tour"

"""A generated project follows the template, with cruft."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.generating import FOLDER, clean_template

NAMES = ("AUTHOR", "COMMITTER")
GIT = {f"GIT_{name}_NAME": "Tester" for name in NAMES} | {
    f"GIT_{name}_EMAIL": "tester@example.com" for name in NAMES
}
ANSWERS = {
    "project_slug": "followed",
    "data_source": "gone.csv",
    "target_column": "y",
    "serving": "none",
    "license": "Apache-2.0",
}


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder and return what it says; it must succeed."""
    finished = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | GIT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def commit(folder: Path, message: str) -> None:
    """Commit everything in a folder."""
    run(folder, "git", "add", "--all", "--force")
    run(folder, "git", "commit", "--quiet", "--message", message)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A repository with this template, whose revisions a test can make."""
    repository = Path(shutil.copytree(clean_template(), tmp_path / "template"))
    run(repository, "git", "init", "--quiet")
    commit(repository, "First revision")
    return repository


def cruft(folder: Path, *arguments: str) -> str:
    """Run cruft's own command."""
    return run(folder, sys.executable, "-m", "cruft", *arguments)


def test_a_project_is_brought_to_a_newer_template(
    template: Path, tmp_path: Path
) -> None:
    answers = json.dumps(ANSWERS)
    arguments = ["--no-input", "--extra-context", answers, "--output-dir", "."]
    (tmp_path / "gone.csv").write_text("a,y\n1,2\n")
    created = cruft(tmp_path, "create", str(template), *arguments)
    project = tmp_path / "followed"
    assert f"{project} is there." in created
    (tmp_path / "gone.csv").unlink()
    run(project, "git", "init", "--quiet")
    readme = project / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8") + "\nMine.\n", "utf-8")
    commit(project, "Mine")
    first = json.loads((project / ".cruft.json").read_text())["commit"]
    cruft(project, "check")

    folder = template / FOLDER.name
    makefile = folder / "Makefile"
    makefile.write_text("# Newer\n" + makefile.read_text(encoding="utf-8"), "utf-8")
    (folder / "src" / "serving" / "static" / "new.txt").write_text("New.\n")
    (folder / "docs" / "new.md").write_text("{{ cookiecutter.license }}\n")
    commit(template, "Second revision")
    updated = cruft(project, "update", "--skip-apply-ask")
    assert "is there." not in updated, "nobody works where cruft compares"

    state = json.loads((project / ".cruft.json").read_text())
    assert state["commit"] != first
    assert state["context"]["cookiecutter"]["data_source"] == "gone.csv"
    assert (project / "Makefile").read_text(encoding="utf-8").startswith("# Newer\n")
    assert (project / "docs" / "new.md").read_text() == "Apache-2.0\n"
    assert not (project / "src" / "serving").exists()
    assert readme.read_text(encoding="utf-8").endswith("\nMine.\n")
    changed = run(project, "git", "status", "--porcelain", "--untracked-files=all")
    assert {line[3:] for line in changed.splitlines()} == {
        ".cruft.json",
        "Makefile",
        "docs/new.md",
    }
    cruft(project, "check")


@pytest.mark.parametrize(
    ("source", "target", "refused"),
    [
        ("gone.csv", "y", "gone.csv does not"),
        ("own.csv", "z", "a column of own.csv: a, y"),
        ("own.csv", "y", None),
        ("{folder}/own.csv", "z", "own.csv: a, y"),
        ("{folder}/own.csv", "y", None),
    ],
)
def test_data_are_checked_where_cruft_creates_a_project(
    template: Path, tmp_path: Path, source: str, target: str, refused: str | None
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/own.csv").write_text("a,y\n1,2\n")
    data = {
        "data_source": source.format(folder=tmp_path / "mine"),
        "target_column": target,
    }
    given = ["--no-input", "--extra-context", json.dumps(ANSWERS | data)]
    command = [sys.executable, "-m", "cruft", "create", str(template), *given]
    created = subprocess.run(
        command, cwd=tmp_path / "mine", capture_output=True, text=True, check=False
    )
    assert (created.returncode != 0) is (refused is not None), created.stderr
    assert (refused or "") in created.stderr
    assert (tmp_path / "mine/followed").exists() is (refused is None)

"""Copies of this template, such as "Use this template" and `git clone` make them."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.generating import TEMPLATE

RECORD = ".cruft.json"
WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Tester"), ("EMAIL", "tester@example.com"))
}


def git(folder: Path, *arguments: str) -> str:
    """Run git as a person with a name, and return what it says."""
    command = ["git", *arguments]
    return subprocess.check_output(
        command, cwd=folder, env=os.environ | WHO, encoding="utf-8"
    )


def commit(folder: Path, message: str) -> None:
    """Commit everything in a folder."""
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", f"--message={message}")


@functools.cache
def template_repository() -> Path:
    """Return a repository of the template as it is now, not with its first commit."""
    repository = Path(tempfile.mkdtemp(prefix="repository-"))
    atexit.register(shutil.rmtree, repository)
    listed = git(TEMPLATE, "ls-files", "-z", "-co", "--exclude-standard")
    git(repository, "init", "--quiet", "--initial-branch=main")
    git(repository, "commit", "--quiet", "--allow-empty", "--message=Begin")
    for name in filter(None, listed.split("\0")):
        if (TEMPLATE / name).exists():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, repository / name)
    commit(repository, "The template")
    return repository


def copied(folder: Path) -> Path:
    """Make of a folder what GitHub's button makes: the tree, in a commit of its own."""
    folder.parent.mkdir(exist_ok=True)
    git(folder.parent, "clone", "--quiet", str(template_repository()), str(folder))
    git(folder, "checkout", "--quiet", "--orphan", "copy")
    git(folder, "commit", "--quiet", "--message=Initial commit")
    git(folder, "branch", "--quiet", "--move", "--force", "main")
    git(folder, "remote", "remove", "origin")
    return folder


def initialise(folder: Path, *answers: str) -> subprocess.CompletedProcess[str]:
    """Run what `make init` runs."""
    variables = os.environ | WHO | {"PYTHONPATH": str(TEMPLATE)}
    return subprocess.run(
        [sys.executable, "-B", "-m", "tools.init", *answers],
        cwd=folder,
        env={
            name: value for name, value in variables.items() if name != "TEMPLATE_URL"
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )


def tree(folder: Path) -> dict[str, str]:
    """Return path -> mode and content of what the last commit has."""
    lines = git(folder, "ls-tree", "-r", "-z", "HEAD").split("\0")
    return {path: kind for kind, _, path in (ln.partition("\t") for ln in lines if ln)}


def generated(project: Path) -> dict[str, str]:
    """Return path -> mode and content of a generated project, without its record."""
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project, "The project")
    files = tree(project)
    files.pop(RECORD, None)
    return files

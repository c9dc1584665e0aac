"""The commands of a maintainer, wherever the repository lies and whatever failed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.generating import TEMPLATE, generate

# A Python that makes an environment of programs which only say how they were called.
PYTHON = """\
#!/bin/sh
echo "{name} $*" >> "$CALLS"
test "$2" = venv || exit 0
mkdir -p .venv/bin
for program in python python3 uv cookiecutter mkdocs; do
    printf '#!/bin/sh\\necho "in .venv: %s $*" >> "$CALLS"\\n{fate}\\n' $program \\
        > .venv/bin/$program
    chmod +x .venv/bin/$program
done
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What `make` needs of this repository, in a folder with a space in its name."""
    folder = tmp_path / "my repositories" / "the template"
    folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(TEMPLATE / name, folder)
    return folder


def make(repository: Path, target: str, fate: str = "exit 0") -> tuple[int, list[str]]:
    """Run `make`, and return its exit code and what was called.

    Args:
        repository: Where it is run.
        target: What is made.
        fate: What the programs of the environment that is made end with.
    """
    outside = repository.parent / "bin"
    outside.mkdir(exist_ok=True)
    (outside / "python3").write_text(PYTHON.format(name="python3", fate=fate))
    (outside / "python3").chmod(0o755)
    calls = repository.parent / "calls"
    calls.write_text("")
    variables = {"PATH": f"{outside}:{os.environ['PATH']}", "CALLS": str(calls)}
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    command = ["make", "--no-print-directory", target]
    done = subprocess.run(
        command, cwd=repository, env=clean | variables, capture_output=True, text=True
    )
    return done.returncode, calls.read_text().splitlines()


def test_commands_work_in_a_folder_with_a_space(repository: Path) -> None:
    for target in "setup test-fast test docs bench options init clean".split():
        code, calls = make(repository, target)
        assert code == 0, (target, calls)
        assert calls or target == "clean"


def test_a_set_up_that_failed_does_not_make_the_next_one(repository: Path) -> None:
    code, _ = make(repository, "setup", fate="exit 1")
    assert code != 0
    code, calls = make(repository, "setup")
    assert (code, calls[0]) == (0, "python3 -m venv --clear .venv")
    assert make(repository, "setup") == (0, []), "nothing is left to do"


@pytest.mark.parametrize("target", ["help", "data", "train", "evaluate", "test"])
def test_commands_of_a_project_work_in_a_folder_with_a_space(
    target: str, tmp_path: Path
) -> None:
    project = generate(tmp_path / "my projects")
    (project / ".venv/bin").mkdir(parents=True)
    python = project / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "called"\n')
    python.chmod(0o755)
    done = subprocess.run(["make", target], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ("called" in done.stdout) == (target != "help")


@pytest.mark.parametrize("folder", [TEMPLATE, "a project"])
def test_files_have_the_line_endings_of_unix_wherever_they_are_checked_out(
    folder: Path | str, tmp_path: Path
) -> None:
    if folder == "a project":
        source = generate(tmp_path / "made")
    else:
        listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=TEMPLATE)
        source = tmp_path / "source"
        for name in filter(None, listed.decode().split("\0")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, source / name)

    def git(*arguments: str) -> str:
        windows = ["-c", "core.autocrlf=true", "-c", "user.name=T"]
        command = ["git", *windows, "-c", "user.email=t@example.com", *arguments]
        return subprocess.check_output(command, cwd=source, text=True)

    git("init", "--quiet")
    (source / "wild.txt").write_bytes(b"one\r\ntwo\r\n")
    git("add", "--all", "--force")
    git("commit", "--quiet", "--message", "All")
    git("clone", "--quiet", "--config", "core.autocrlf=true", ".", str(tmp_path / "c"))
    for path in (tmp_path / "c").rglob("*"):
        if path.is_file() and ".git" not in path.relative_to(tmp_path / "c").parts:
            original = (source / path.relative_to(tmp_path / "c")).read_bytes()
            expected = b"one\ntwo\n" if path.name == "wild.txt" else original
            assert path.read_bytes() == expected, path

"""A run that was interrupted at any moment, and what the next one makes of it."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.generating import (
    ADOPT,
    FOLDER,
    answered,
    clean_template,
    commit,
    files,
    load_hook,
)

PRE, POST = load_hook("pre_gen_project"), load_hook("post_gen_project")
# Few files with something of each kind: always there, owned, in a folder that is
# owned, landing under another name, of two choices, and binary.
KEPT = [
    ".flake8",
    ".github/workflows/tests.yml",
    "Makefile",
    "LICENSE-MIT",
    "LICENSE-BSD-3-Clause",
    "README.md",
    "data/sample/census_income.csv.gz",
    "src/__init__.py",
    "src/serving/api_fastapi.py",
    "src/serving/api_flask.py",
    "src/serving/model.py",
    "src/serving/static/index.html",
]
FIRST = {"project_slug": "made", "serving": "fastapi"}
OTHER = {"project_slug": "made", "serving": "none", "ci": "none", "license": "MIT"}
OTHER |= {"description": "Another."}
OWNER = {"README.md": "Mine.\n", "src/mine.py": "MINE = 1\n", "LICENSE": "Mine\n"}

# Kills everything, hooks and all, before the moment-th change below a folder.
KILLER = """
import os, signal, sys
FOLDER, COUNT = os.environ["KILL_BELOW"], os.environ["KILL_COUNT"]
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}

def watch(event, arguments):
    if event not in CHANGES and (
        event != "open" or not arguments[2] & (os.O_WRONLY | os.O_RDWR)
    ):
        return
    if not os.path.abspath(os.fsdecode(arguments[0])).startswith(FOLDER):
        return
    descriptor = os.open(COUNT, os.O_RDWR | os.O_APPEND)
    os.write(descriptor, b".")
    if os.fstat(descriptor).st_size >= int(os.environ["KILL_MOMENT"]):
        os.killpg(0, signal.SIGKILL)
    os.close(descriptor)

sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with its real hooks and questions, and few of its files."""
    folder = tmp_path_factory.mktemp("few") / "template"
    shutil.copytree(clean_template(), folder)
    for path in files(folder / FOLDER.name) - set(KEPT):
        (folder / FOLDER.name / path).unlink()
    commit(folder, "Few files")
    return folder


def command(template: Path, output: Path, *options: str, **answers: str) -> list[str]:
    """Return cookiecutter's own command, without questions."""
    given = [f"{question}={answer}" for question, answer in answers.items()]
    start = [sys.executable, "-m", "cookiecutter", str(template), "--no-input"]
    return [*start, "-o", str(output), *options, *given]


def run(template: Path, output: Path, *options: str, **answers: str) -> str:
    """Generate a project without interruption and return what was printed."""
    done = subprocess.run(
        command(template, output, *options, **answers), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def killed(
    moment: int, template: Path, output: Path, *options: str, **answers: str
) -> bool:
    """Kill a run before its moment-th change; False if it ended before that."""
    watcher = output / "watcher"
    watcher.mkdir(parents=True, exist_ok=True)
    (watcher / "sitecustomize.py").write_text(KILLER)
    (watcher / "count").write_bytes(b"")
    variables = {
        "PYTHONPATH": str(watcher),
        "KILL_BELOW": str(output / "made"),
        "KILL_COUNT": str(watcher / "count"),
        "KILL_MOMENT": str(moment),
        "TMPDIR": str(watcher),  # where Cookiecutter's own files are left by a kill
    }
    done = subprocess.run(
        command(template, output, *options, **answers),
        env=os.environ | variables,
        capture_output=True,
        start_new_session=True,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def halve_newest(project: Path) -> None:
    """Leave half of what was written last, as a kill within a write does."""
    written = [path for path in project.rglob("*") if path.is_file()]
    ours = [p for p in written if p.name != PRE.RECORD and "mine" not in p.name.lower()]
    ours = [p for p in ours if p.read_bytes() not in map(str.encode, OWNER.values())]
    if ours:
        newest = max(ours, key=lambda path: path.stat().st_mtime_ns)
        os.truncate(newest, newest.stat().st_size // 2)


def plant(output: Path) -> None:
    """Write the owner's files into the folder of the project."""
    for path, text in OWNER.items():
        (output / "made" / path).parent.mkdir(parents=True, exist_ok=True)
        (output / "made" / path).write_text(text)


def tree(project: Path) -> dict[str, tuple[bytes, int]]:
    """Return path -> (content, permissions) of every file, and each empty folder."""
    return {
        path.relative_to(project).as_posix(): (
            (path.read_bytes(), path.stat().st_mode) if path.is_file() else (b"", 0)
        )
        for path in project.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


# name -> the flags of both runs, and whether the owner had files in the folder
WAYS = {
    "a new project, -f": (("--overwrite-if-exists",), False),
    "a new project, -f -s": (ADOPT, False),
    "a repository of the owner, -f -s": (ADOPT, True),
}


def moments(template: Path, output: Path) -> int:
    """Return how many changes an uninterrupted run makes."""
    assert not killed(10**6, template, output, *ADOPT, **FIRST)
    return (output / "watcher/count").stat().st_size


def interrupt_and_repeat(
    way: str, chosen: list[int], second: dict[str, str], template: Path, folder: Path
) -> None:
    """Interrupt a run at each of the moments, repeat it, and compare the projects."""
    flags, adopting = WAYS[way]
    if adopting:
        plant(folder / "whole")
    run(template, folder / "whole", *flags, **second)
    expected = tree(folder / "whole/made")
    assert POST.ORIGIN in expected
    for moment in chosen:
        output = folder / str(moment)
        if adopting:
            plant(output)
        assert killed(moment, template, output, *flags, **FIRST), moment
        if (output / "made" / PRE.RECORD).exists():
            halve_newest(output / "made")
        run(template, output, *flags, **second)
        if second != FIRST:  # what other answers led to may be kept, but aside
            shutil.rmtree(output / "made" / PRE.ASIDE, ignore_errors=True)
        assert tree(output / "made") == expected, moment
        shutil.rmtree(output)


def test_a_run_changes_the_folder_at_many_moments(
    template: Path, tmp_path: Path
) -> None:
    assert moments(template, tmp_path) > 40


@pytest.mark.parametrize("second", [FIRST, OTHER], ids=["same", "other answers"])
@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_was_killed_is_completed_by_the_next(
    way: str, second: dict[str, str], template: Path, tmp_path: Path
) -> None:
    last = moments(template, tmp_path / "counted")
    draw = random.Random(f"{way} {len(second)}")
    chosen = [draw.randrange(3, last // 2), draw.randrange(last // 2, last + 1)]
    interrupt_and_repeat(way, chosen, second, template, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("second", [FIRST, OTHER], ids=["same", "other answers"])
@pytest.mark.parametrize("way", WAYS)
def test_whatever_the_moment_of_a_kill_the_next_run_completes_the_project(
    way: str, second: dict[str, str], template: Path, tmp_path: Path
) -> None:
    counted = tmp_path / "counted"
    if WAYS[way][1]:
        plant(counted)
    last = moments(template, counted)
    # Every seventh: all of them were tried once, in six minutes.
    first = random.Random(f"{way} {len(second)}").randrange(1, 8)
    interrupt_and_repeat(way, [*range(first, last + 1, 7)], second, template, tmp_path)


@pytest.mark.slow
def test_runs_that_are_killed_again_and_again_are_completed(
    template: Path, tmp_path: Path
) -> None:
    plant(tmp_path / "whole")
    run(template, tmp_path / "whole", *ADOPT, **FIRST)
    draw = random.Random(1)
    for turn in range(10):
        output = tmp_path / str(turn)
        plant(output)
        for _ in range(draw.randrange(2, 5)):
            # Setting aside and taking back makes a repeated run longer than the first.
            answers = draw.choice([FIRST, OTHER])
            if not killed(draw.randrange(2, 90), template, output, *ADOPT, **answers):
                shutil.rmtree(output / "made")
                plant(output)
        run(template, output, *ADOPT, **FIRST)
        shutil.rmtree(output / "made" / PRE.ASIDE, ignore_errors=True)
        assert tree(output / "made") == tree(tmp_path / "whole/made"), turn


def test_what_the_owner_did_since_the_interruption_is_kept(
    template: Path, tmp_path: Path
) -> None:
    project = tmp_path / "made"
    last = moments(template, tmp_path / "counted")
    assert killed(last, template, tmp_path, *ADOPT, **FIRST)
    (project / "README.md").write_text("Edited.\n")
    (project / "src/serving/api.py").write_text("EDITED = 1\n")
    (project / "src/serving/mine.py").write_text("MINE = 1\n")
    (project / ".git").mkdir()
    (project / ".git/config").write_text("[core]\n")
    (project / ".venv/lib").mkdir(parents=True)
    (project / ".venv/lib/site.py").write_text("")
    (project / ".venv/lib64").symlink_to("lib")  # a folder to some, a file to others
    printed = run(template, tmp_path, *ADOPT, **FIRST)
    assert "Edited since the interrupted run" in printed
    aside = {path.name: path for path in (project / PRE.ASIDE).rglob("*.*")}
    assert aside["README.md"].read_text() == "Edited.\n"
    assert aside["api.py"].read_text() == "EDITED = 1\n"
    assert str(aside["README.md"].relative_to(project)) in printed
    whole = tree(tmp_path / "counted/made")
    found = tree(project)
    assert found["README.md"] == whole["README.md"]
    assert found["src/serving/api.py"] == whole["src/serving/api.py"]
    own = {path for path in found if not path.startswith(PRE.ASIDE)} - set(whole)
    assert own == {"src/serving/mine.py", ".git/config", ".venv/lib/site.py"}
    assert (project / ".venv/lib64").is_symlink()


def test_a_folder_that_is_pruned_keeps_what_the_owner_put_there_since(
    template: Path, tmp_path: Path
) -> None:
    assert killed(30, template, tmp_path, *ADOPT, **OTHER)
    own = tmp_path / "made/src/serving/static/mine.html"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("Mine.\n")
    run(template, tmp_path, *ADOPT, **OTHER)
    assert own.read_text() == "Mine.\n"
    assert not (tmp_path / "made/src/serving/model.py").exists()


def test_without_flags_the_half_made_folder_is_refused_and_stays(
    template: Path, tmp_path: Path
) -> None:
    assert killed(20, template, tmp_path, **FIRST)
    before = tree(tmp_path / "made")
    done = subprocess.run(
        command(template, tmp_path, **FIRST), capture_output=True, text=True
    )
    assert (done.returncode, tree(tmp_path / "made")) == (1, before)
    assert "already exists" in done.stdout


def test_a_disk_that_was_full_leaves_a_project_that_the_next_run_completes(
    template: Path, tmp_path: Path
) -> None:
    run(template, tmp_path / "whole", **FIRST)

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    sample = FOLDER / "data/sample/census_income.csv.gz"
    assert sample.stat().st_size > 30_000
    done = subprocess.run(
        command(template, tmp_path, **FIRST), capture_output=True, preexec_fn=full
    )
    assert done.returncode != 0
    half = tmp_path / "made/data/sample/census_income.csv.gz"
    assert half.stat().st_size <= 30_000
    run(template, tmp_path, *ADOPT, **FIRST)
    assert tree(tmp_path / "made") == tree(tmp_path / "whole/made")


def test_a_folder_that_cannot_be_written_to_is_refused_in_a_line(
    template: Path, tmp_path: Path
) -> None:
    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    plant(tmp_path)
    hook = (template / "hooks/pre_gen_project.py").read_text()
    rendered = hook.replace("{{ cookiecutter | tojson }}", json.dumps(answered()))
    (tmp_path / "hook.py").write_text(rendered)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "hook.py")],
        cwd=tmp_path / "made",
        capture_output=True,
        text=True,
        preexec_fn=full,
    )
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "No project was generated: [Errno 27] File too large",
    )
    assert files(tmp_path / "made") == set(OWNER)

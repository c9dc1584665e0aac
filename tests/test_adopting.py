"""Generating into a folder that has files: each of them stays as it was."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.generating import (
    ADOPT,
    FOLDER,
    TEMPLATE,
    answered,
    clean_template,
    cookiecutter,
    files,
    generate,
    load_hook,
)
from tests.interpreters import interpreter
from tests.machine import environment

PRE, POST = load_hook("pre_gen_project"), load_hook("post_gen_project")
ANSWERS = {
    "project_slug": "adopted",
    "serving": "none",
    "deployment": "none",
    "ci": "none",
    "license": "BSD-3-Clause",
}


OWNED = [
    POST.split(entry)
    for choices in POST.OWNED_PATHS.values()
    for entries in choices.values()
    for entry in entries
]
RENAMED = {path for path, landing in OWNED if path != landing}


def plantable() -> list[str]:
    """Return where an owner may have files that collide with what the template has.

    Every file of the template, whether rendered, pruned or renamed, the names that
    they are renamed to, and neighbours in folders that are pruned.
    """
    landings = [landing for _, landing in OWNED if not landing.endswith("/")]
    neighbours = [f"{path}mine.txt" for path, _ in OWNED if path.endswith("/")]
    return sorted({*files(FOLDER), *landings, *neighbours, ".git/config", "mine/a b"})


def plant(folder: Path, paths: list[str]) -> dict[str, tuple[bytes, int]]:
    """Write a file of the owner's to each path, and return what they are like."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"mine: {path}\n{{{{ not.yours }}}}\r\n")
        os.utime(folder / path, ns=(10**18, 10**18))
    return state(folder, paths)


def state(folder: Path, paths: list[str]) -> dict[str, tuple[bytes, int]]:
    """Return path -> (content, time of the last change) of files that exist."""
    return {
        path: ((folder / path).read_bytes(), (folder / path).stat().st_mtime_ns)
        for path in paths
        if (folder / path).exists()
    }


def test_every_file_that_was_there_stays_byte_for_byte(tmp_path: Path) -> None:
    planted = plant(tmp_path / "adopted", plantable())
    project = generate(tmp_path, *ADOPT, **ANSWERS)
    assert state(project, list(planted)) == planted
    assert files(project) == set(planted)


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with the same answers."""
    return generate(tmp_path_factory.mktemp("new"), **ANSWERS)


@pytest.mark.parametrize("half", [0, 1])
def test_what_was_not_there_is_generated_as_in_a_new_project(
    half: int, tmp_path: Path, new_project: Path
) -> None:
    paths = [path for path in plantable() if path not in RENAMED]
    planted = plant(tmp_path / "adopted", paths[half::2])
    project = generate(tmp_path, *ADOPT, **ANSWERS)
    assert state(project, list(planted)) == planted
    assert files(project) == files(new_project) | set(planted)


def test_generating_again_changes_nothing(tmp_path: Path, new_project: Path) -> None:
    project = Path(shutil.copytree(new_project, tmp_path / "adopted"))
    before = state(project, sorted(files(project)))
    generate(tmp_path, *ADOPT, **ANSWERS)
    assert state(project, sorted(files(project))) == before


def test_pruning_spares_what_was_there_even_where_files_are_overwritten(
    tmp_path: Path,
) -> None:
    paths = ["LICENSE", "src/serving/api.py", "Dockerfile.mine", "src/serving/mine.py"]
    paths = [path for path in paths if not (FOLDER / path).exists()]
    planted = plant(tmp_path / "adopted", paths)
    project = generate(tmp_path, "--overwrite-if-exists", **ANSWERS)
    assert state(project, paths) == planted
    assert sorted(path.name for path in (project / "src/serving").iterdir()) == sorted(
        Path(path).name for path in paths if path.startswith("src/serving/")
    )


def test_folders_and_links_of_the_owner_stay_and_an_old_record_goes(
    tmp_path: Path,
) -> None:
    project = tmp_path / "adopted"
    (project / "src/serving").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    planted = plant(elsewhere, ["bike_sharing.csv.gz", "census_income.csv.gz"])
    (project / "data").mkdir()
    (project / "data/sample").symlink_to(elsewhere)
    (project / PRE.RECORD).write_text("[ left by a run that was killed")
    generate(tmp_path, *ADOPT, **ANSWERS)
    assert (project / "src/serving").is_dir()
    assert (project / "data/sample").is_symlink()
    assert state(elsewhere, list(planted)) == planted
    assert PRE.RECORD == POST.RECORD
    assert not (project / PRE.RECORD).exists()


def test_a_folder_that_exists_is_not_touched_without_being_asked(
    tmp_path: Path,
) -> None:
    planted = plant(tmp_path / "adopted", ["README.md"])
    given = [f"{question}={answer}" for question, answer in ANSWERS.items()]
    finished = cookiecutter("-o", str(tmp_path), *given)
    assert finished.returncode == 1
    assert "already exists" in finished.stdout
    assert state(tmp_path / "adopted", sorted(files(tmp_path / "adopted"))) == planted


PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "theirs"
version = "1"

[tool.setuptools]
packages = ["theirs"]
"""
# What repositories look like that are adopted: path -> text.
SHAPES = {
    "empty": {},
    "notebooks only": {"notebooks/try.ipynb": '{"cells": []}\n', "data.csv": "a\n1\n"},
    "a project of its own": {
        "src/theirs.py": "X = 1\n",
        "Makefile": "all:\n\techo mine\n",
        ".github/workflows/tests.yml": "on: push\n",
        ".gitignore": "*.log\n",
        "Dockerfile": "FROM scratch\n",
        "requirements.txt": "numpy\n",
        "README.md": "# Theirs, it's\n",
    },
    "a setuptools project": {
        "pyproject.toml": PYPROJECT,
        "theirs/__init__.py": "",
        "setup.py": "from setuptools import setup\nsetup(packages=['theirs'])\n",
    },
}
NEEDED = {"Makefile", ".gitignore", "Dockerfile", "requirements.txt"}
NEEDED |= {".github/workflows/tests.yml", "pyproject.toml", "setup.py"}


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> Path:
    """Where the template's own files are left to be compared with."""
    folder = tmp_path_factory.mktemp("it's temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def adopt(output: Path, shape: str, *options: str, **answers: str) -> str:
    """Generate over a repository, and return what is said of files that were kept."""
    for path, text in SHAPES[shape].items():
        (output / "adopted" / path).parent.mkdir(parents=True, exist_ok=True)
        (output / "adopted" / path).write_text(text)
    (output / "adopted").mkdir(exist_ok=True)
    given = [f"{name}={answer}" for name, answer in (ANSWERS | answers).items()]
    done = cookiecutter("-o", str(output), *options, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.partition(POST.KEPT + "\n")[2]


def listed(said: str) -> dict[str, str]:
    """Return file -> what it needs, as it was said."""
    lines = [line for line in said.splitlines() if re.match("  [^ ]", line)]
    pairs = [line.strip().partition(": needs ")[::2] for line in lines]
    return {path: need for path, need in pairs if not path.startswith(("cd ", "make "))}


@pytest.mark.parametrize("shape", SHAPES)
def test_kept_files_that_differ_are_said_with_what_each_needs_and_compared(
    shape: str, tmp_path: Path, temporary: Path
) -> None:
    chosen = {"ci": "github", "deployment": "docker", "serving": "flask"}
    said = adopt(tmp_path, shape, *ADOPT, **chosen)
    its = (NEEDED | {"README.md"}) & set(SHAPES[shape])
    assert listed(said) == {path: POST.NEEDS.get(path, [""])[-1] for path in its}
    for path, text in SHAPES[shape].items():
        assert (tmp_path / "adopted" / path).read_text() == text
    fresh = generate(tmp_path / "new", **ANSWERS | chosen)
    commands = [line for line in said.splitlines() if line.startswith("    git diff")]
    assert len(commands) == len(its)
    for command, path in zip(commands, sorted(its)):
        shown = subprocess.run(command, shell=True, capture_output=True, text=True)
        assert shown.returncode == 1 and not shown.stderr, shown.stderr
        lines = [line[1:] for line in shown.stdout.splitlines() if line[:1] in "+ "]
        assert SHAPES[shape][path].splitlines() == lines[1:]  # after the name
        lines = [line[1:] for line in shown.stdout.splitlines() if line[:1] == "-"]
        assert set(lines[1:]) <= set((fresh / path).read_text().splitlines())
    left = [path.name for path in temporary.glob("template-*/*")]
    assert left == (["adopted"] if its else []), "nothing to compare, nothing is left"


def test_of_kept_files_that_differ_in_nothing_or_were_declined_nothing_is_said(
    tmp_path: Path, new_project: Path
) -> None:
    shutil.copytree(new_project, tmp_path / "adopted")
    assert listed(adopt(tmp_path, "empty", *ADOPT)) == {}
    shutil.rmtree(tmp_path / "adopted")
    said = listed(adopt(tmp_path, "a project of its own", *ADOPT))
    assert sorted(said) == [".gitignore", "Makefile", "README.md", "requirements.txt"]


def test_where_nothing_can_be_rendered_afresh_it_is_said_what_files_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    (tmp_path / "Makefile").write_text("all:\n")
    (tmp_path / "README.md").write_text("Mine.\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", None)  # what TMPDIR said before
    fresh, paths = POST.kept(None, answered(), {"Makefile", "README.md"})
    assert (fresh, paths) == (None, ["Makefile"])
    assert list(temporary.iterdir()) == []
    assert listed(POST.told_of_kept(paths, fresh)) == {
        "Makefile": POST.NEEDS["Makefile"][1]
    }


@pytest.mark.parametrize(
    ("folder", "why"), [(None, "no template in sight"), ("gone", "gone")]
)
def test_where_kept_files_cannot_be_compared_it_is_said_and_nothing_is_left(
    folder: str | None,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "README.md").write_text("Mine.\n")
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    answers = {"project_slug": "adopted"}
    assert POST.kept(folder, answers, {"README.md"}) == (None, [])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Which files of yours differ could not be found out (")
    assert why in line
    assert not list((tmp_path / "temporary").iterdir())


def test_of_files_that_were_overwritten_nothing_is_said(tmp_path: Path) -> None:
    assert adopt(tmp_path, "a setuptools project", "--overwrite-if-exists") == ""
    assert (tmp_path / "adopted/pyproject.toml").read_text() != PYPROJECT


def test_what_is_said_of_kept_files_is_of_files_that_the_template_has() -> None:
    landings = {landing for _, landing in OWNED}
    assert set(POST.NEEDS) <= files(FOLDER) | landings
    for path, (sign, _) in POST.NEEDS.items():
        assert sign in (FOLDER / path).read_text(encoding="utf-8"), path


@pytest.mark.slow
def test_setup_says_in_a_line_that_src_cannot_be_imported(tmp_path: Path) -> None:
    declined = {"data_versioning": "none", "experiment_tracking": "none"}
    adopt(tmp_path, "a setuptools project", *ADOPT, **declined, responsible_ai="no")
    project = tmp_path / "adopted"

    def setup() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--no-print-directory", "setup"],
            cwd=project,
            env=os.environ | environment(interpreter("3.12")),
            capture_output=True,
            text=True,
        )

    done = setup()
    assert done.returncode != 0 and "Ready" not in done.stdout
    assert done.stdout.startswith("src cannot be imported: requirements.txt must")
    (project / "setup.py").write_text("from setuptools import setup\n\nsetup()\n")
    find = '[tool.setuptools.packages.find]\ninclude = ["theirs", "src", "src.*"]'
    text = PYPROJECT.replace('[tool.setuptools]\npackages = ["theirs"]', find)
    (project / "pyproject.toml").write_text(text)
    done = setup()
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(project)


# What tools leave in the template's folder; each line of an ignore file is one of them.
LEFT_OVERS = [
    "src/serving/__pycache__/api.cpython-312.pyc",
    "src/data/old.pyc",
    "src/thing.egg-info/PKG-INFO",
    ".venv-monitoring/lib/x",
    ".venv-orchestration/lib/x",
    ".airflow/airflow.db",
    ".kubeflow/x",
    ".prefect/prefect.db",
    ".zenml/config.yaml",
    ".ruff_cache/0.1/x",
    ".DS_Store",
    "docs/.DS_Store",
    "tests/.hypothesis/x",
    "notebooks/exploration/.ipynb_checkpoints/a.ipynb",
    "data/raw/x.csv",
    "data/processed/manifest.json",
    "data/features/x.csv",
    "models/latest_model.json",
    "models/registry/history.jsonl",
]


def ignored() -> list[str]:
    """Return a path for each line of the ignore files of the template."""
    lines = []
    for file in (TEMPLATE / ".gitignore", FOLDER / ".gitignore"):
        lines += file.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith(("#", "{%"))]
    paths = [line.strip("/").replace("*", "some") for line in lines]
    return [f"{p}/x" if line[-1] == "/" else p for p, line in zip(paths, lines)]


def test_nothing_that_git_ignores_in_the_template_reaches_a_project(
    tmp_path: Path, new_project: Path
) -> None:
    template = Path(shutil.copytree(clean_template(), tmp_path / "template"))
    for path in LEFT_OVERS + ignored():
        file = template / FOLDER.name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("SECRET")
    given = [f"{question}={answer}" for question, answer in ANSWERS.items()]
    start = [sys.executable, "-m", "cookiecutter", str(template), "--no-input"]
    subprocess.run([*start, "-o", str(tmp_path), *given], check=True)
    project = tmp_path / "adopted"
    left = {p.relative_to(project).as_posix() for p in project.rglob("*")}
    assert left == {
        p.relative_to(new_project).as_posix() for p in new_project.rglob("*")
    }
    assert "src/serving" not in left, "declined, and only byte code in it"


def test_nothing_of_the_template_is_taken_for_a_left_over() -> None:
    assert [path for path in files(FOLDER) if POST.is_left_over(path)] == []


def test_left_overs_of_the_owner_stay(tmp_path: Path) -> None:
    planted = plant(tmp_path / "adopted", [*LEFT_OVERS, ".env", ".venv/x", "build/x"])
    project = generate(tmp_path, *ADOPT, **ANSWERS)
    assert state(project, list(planted)) == planted

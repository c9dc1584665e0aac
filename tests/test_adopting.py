"""Generating into a folder that has files: each of them stays as it was."""

import os
import shutil
from pathlib import Path

import pytest

from tests.generating import (
    ADOPT,
    FOLDER,
    cookiecutter,
    files,
    generate,
    load_hook,
)

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

"""A version is said in one place, and its tag and release are made of that."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.generating import TEMPLATE, commit, git

CHANGES = (TEMPLATE / "CHANGELOG.md").read_text("utf-8")
VERSION = tomllib.loads((TEMPLATE / "pyproject.toml").read_text("utf-8"))["project"][
    "version"
]
(JOB,) = yaml.safe_load(
    (TEMPLATE / ".github/workflows/release.yml").read_text("utf-8")
)["jobs"].values()
# Stands in for GitHub: it knows the releases that are folders beside it.
GH = """\
#!/bin/bash
cd "$(dirname "$0")"
case "$1 $2" in
    "release view") test -e "releases/$3" ;;
    "release create") mkdir -p "releases/$3" && cp "${@: -1}" "releases/$3/notes" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a bare repository with a version, as the workflow has it."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "pyproject.toml").write_text('[project]\nversion = "1.10.0"\n')
    sections = ["# Changes", "## Unreleased", "## 1.10.0 (2026-01-02)\n\n- New."]
    sections += ["### Parts\n\n- Of it.", "## 1.1.0\n\n- Old.", "## 11.10.0\n\n- No."]
    (clone / "CHANGELOG.md").write_text("\n\n".join(sections) + "\n")
    commit(clone, "A version")
    git(tmp_path, "clone", "--quiet", "--bare", str(clone), "origin.git")
    git(clone, "remote", "add", "origin", str(tmp_path / "origin.git"))
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path))
    return clone


def release(clone: Path) -> subprocess.CompletedProcess[str]:
    """Run the step of the workflow as GitHub does."""
    step = JOB["steps"][-1]["run"]
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True)


def releases(tmp_path: Path) -> dict[str, str]:
    """Return tag -> notes of the releases that were made."""
    found = (tmp_path / "releases").glob("*/notes")
    return {path.parent.name: path.read_text() for path in found}


def test_a_version_is_tagged_and_released_once_with_its_section(
    clone: Path, tmp_path: Path
) -> None:
    first = git(clone, "rev-parse", "HEAD")
    for _ in ("the commit of the version", "a later one"):
        done = release(clone)
        assert done.returncode == 0, done.stderr
        assert git(tmp_path / "origin.git", "tag") == "v1.10.0\n"
        assert git(tmp_path / "origin.git", "rev-parse", "v1.10.0") == first
        assert {tag: notes.strip() for tag, notes in releases(tmp_path).items()} == {
            "v1.10.0": "- New.\n\n### Parts\n\n- Of it."
        }
        with (clone / "later").open("a") as file:
            file.write("more")
        commit(clone, "Later")


def test_a_release_that_failed_after_its_tag_is_made_by_the_next_run(
    clone: Path, tmp_path: Path
) -> None:
    git(tmp_path / "origin.git", "tag", "v1.10.0")
    assert release(clone).returncode == 0
    assert list(releases(tmp_path)) == ["v1.10.0"]


def test_a_version_without_a_section_is_neither_tagged_nor_released(
    clone: Path, tmp_path: Path
) -> None:
    (clone / "pyproject.toml").write_text('[project]\nversion = "1.10"\n')
    done = release(clone)
    assert done.returncode == 1
    assert "There is no section ## 1.10, which pyproject.toml says" in done.stdout
    assert git(tmp_path / "origin.git", "tag") == "" and releases(tmp_path) == {}


def test_it_runs_in_the_template_alone_and_may_write_contents_alone() -> None:
    assert JOB["if"].startswith("github.event.repository.is_template && ")
    assert JOB["permissions"] == {"contents": "write"}


def test_the_changelog_has_the_version_first_or_what_comes_after_it() -> None:
    headings = re.findall(r"^## (\S+)(?: \(\d{4}-\d\d-\d\d\))?$", CHANGES, re.M)
    assert headings == re.findall(r"^## (\S+)", CHANGES, re.M), "a heading of no form"
    assert [name for name in headings if name != "Unreleased"][0] == VERSION
    assert "Unreleased" not in headings[1:]


def test_headings_for_those_who_update_are_those_that_the_update_prints() -> None:
    parts = re.findall(r"^### (.*update.*)$", CHANGES, re.M)
    assert parts and all(part.startswith("What an update does") for part in parts)

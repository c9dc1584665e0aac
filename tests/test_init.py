"""`make init`: a copy of the template becomes a project, whole or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.copies import (
    RECORD,
    WHO,
    commit,
    copied,
    generated,
    git,
    initialise,
    template_repository,
    tree,
)
from tests.generating import NASTY, TEMPLATE, generate, typed
from tools import init

URL = "https://example.com/template.git"
ANSWERS = {"serving": "none", "license": "Apache-2.0", "author_name": "A team"}
GIVEN = [f"{question}={answer}" for question, answer in ANSWERS.items()]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository that the button made."""
    return copied(tmp_path / "bike_rentals")


def state(folder: Path) -> tuple[str, str, dict[str, tuple[bytes, int]]]:
    """Return everything that may not change: history, status and files."""
    files = {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
    return git(folder, "log"), git(folder, "status", "--porcelain"), files


def make(folder: Path, *arguments: str, prompt: str) -> str:
    """Run `make init` with an environment that is ready, and return what it says."""
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / ".venv/.ready").touch()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--no-print-directory", "init", *arguments],
        cwd=folder,
        env=clean | WHO,
        input=prompt,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_copy_becomes_what_cookiecutter_generates_in_one_commit(
    copy: Path, tmp_path: Path
) -> None:
    before = git(copy, "rev-parse", "HEAD")
    for left in ("build/x", "site/x", "tests/__pycache__/x.pyc", ".coverage"):
        (copy / left).parent.mkdir(exist_ok=True)
        (copy / left).write_text("left by a tool")
    said = make(copy, f"ANSWERS={' '.join(GIVEN[:2])} author_name='A team'", prompt="")
    assert said.endswith("Next:\n  make setup\n  make pipeline\n")
    names = {"project_name": "bike_rentals", "project_slug": "bike_rentals"}
    expected = generated(generate(tmp_path / "plain", **names, **ANSWERS))
    found = tree(copy)
    assert found.pop(RECORD) and found == expected
    assert git(copy, "rev-parse", "HEAD^") == before
    assert git(copy, "log", "-1", "--format=%an: %s").startswith(
        "Tester: Start from cookiecutter-mlops "
    )
    assert git(copy, "status", "--porcelain") == ""
    (copy / ".coverage").unlink()  # in no folder of the template: it stays
    assert {path.name for path in copy.iterdir()} == {
        *(path.partition("/")[0] for path in expected),
        *(RECORD, ".git"),
    }


def test_the_questions_are_asked_with_the_name_of_the_repository(copy: Path) -> None:
    said = make(copy, f"TEMPLATE_URL={URL}", prompt="\n" * 40)
    assert "(bike_rentals)" in said and "Next:" in said
    record = json.loads((copy / RECORD).read_text("utf-8"))
    assert record["template"] == URL
    context = record["context"]["cookiecutter"]
    assert context["project_name"] == context["project_slug"] == "bike_rentals"


@pytest.mark.parametrize(
    ("name", "slug"),
    [("bike_rentals", "bike_rentals"), ("My.Repo", "my-repo"), ("numpy", None)],
)
def test_the_slug_is_the_name_of_the_repository_where_it_can_be(
    name: str, slug: str | None, tmp_path: Path
) -> None:
    copy = copied(tmp_path / name)
    done = initialise(copy, "serving=none")
    assert done.returncode == 0, done.stderr
    context = json.loads((copy / RECORD).read_text("utf-8"))["context"]["cookiecutter"]
    assert context["project_name"] == name
    assert context["project_slug"] == (slug or "numpy-project")


def test_texts_are_taken_as_they_are_typed(copy: Path, tmp_path: Path) -> None:
    names = {"project_name": "bike_rentals", "project_slug": "bike_rentals"}
    description = NASTY + " {% endraw %}"
    done = initialise(copy, *GIVEN, f"description={description}")
    assert done.returncode == 0, done.stderr
    # Cookiecutter's own way around its templates ends at the first end.
    text = typed(NASTY) + " {{ '{% endraw %}' }}"
    plain = generate(tmp_path / "plain", **names, **ANSWERS, description=text)
    found = tree(copy)
    assert found.pop(RECORD) and found == generated(plain)
    context = json.loads((copy / RECORD).read_text("utf-8"))["context"]["cookiecutter"]
    assert context["description"] == description


REFUSED = {
    "a slug": (["project_slug=-x"], "expected: 1 to 63 lower-case letters"),
    "an unknown question": (["servin=none"], "servin is no question; these are: "),
    "an unknown choice": (["serving=rails"], "rails provided for choice variable"),
    "no answer": (["serving"], "serving: an answer is given as question=answer"),
    "a relative path": (
        ["data_source=own.csv", "target_column=y"],
        "data_source: 'own.csv': in place, it is a URL, or a path from / or ~",
    ),
    "nobody to ask": ([], "No project was made, and nothing changed."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_answers_that_are_refused_change_nothing(case: str, copy: Path) -> None:
    answers, said = REFUSED[case]
    (copy.parent / "own.csv").write_text("x,y\n1,2\n")
    before = state(copy)
    done = initialise(copy, *answers)
    assert done.returncode == 1 and said in done.stderr
    assert "Traceback" not in done.stderr and "Below" not in done.stderr
    assert state(copy) == before


@pytest.mark.parametrize("path", ["README.md", "new.txt"])
def test_what_is_not_committed_is_not_lost(path: str, copy: Path) -> None:
    (copy / path).write_text("mine")
    before = state(copy)
    done = initialise(copy, *GIVEN)
    assert done.returncode == 1 and state(copy) == before
    assert done.stderr == (
        f"Commit these first, or remove them, as they would go: {path}\n"
    )


def test_a_folder_that_is_no_copy_of_the_template_is_refused(
    copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "unpacked").mkdir()
    done = initialise(tmp_path / "unpacked", *GIVEN)
    assert done.returncode == 1 and "is no git repository with a commit" in done.stderr
    assert initialise(copy, *GIVEN).returncode == 0
    before = state(copy)
    again = initialise(copy, *GIVEN)
    assert again.returncode == 1 and again.stderr.count("\n") == 1
    assert "is no template (any more)" in again.stderr
    assert state(copy) == before


def test_what_fails_at_the_commit_is_undone(copy: Path) -> None:
    for name, value in (("commit.gpgSign", "true"), ("gpg.program", "false")):
        git(copy, "config", name, value)
    before = state(copy)
    done = initialise(copy, *GIVEN)
    assert done.returncode == 1 and state(copy) == before
    assert "Nothing was changed: git commit: " in done.stderr


def test_an_interruption_is_undone(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, run = state(copy), init.git

    def interrupted(root: Path, *arguments: str, given: str | None = None) -> str:
        if arguments[0] == "commit":
            raise KeyboardInterrupt
        return run(root, *arguments, given=given)

    monkeypatch.setattr(init, "git", interrupted)
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Tester")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "tester@example.com")
    with pytest.raises(init.Refused, match="Nothing was changed: interrupted"):
        init.initialise(copy, ANSWERS)
    assert state(copy) == before


def test_data_of_ones_own_are_named_by_their_whole_path(copy: Path) -> None:
    own = copy.parent / "own.csv"
    own.write_text("x,y\n1,2\n")
    done = initialise(copy, *GIVEN, f"data_source={own}", "target_column=y")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("  make setup\n  make data\n")
    config = (copy / "config/pipeline_config.yaml").read_text(encoding="utf-8")
    assert f'"{own}"' in config


def test_who_commits_must_be_known(copy: Path) -> None:
    git(copy, "config", "user.useConfigOnly", "true")
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "PYTHONPATH": str(TEMPLATE)}
    done = subprocess.run(
        [sys.executable, "-B", "-m", "tools.init", *GIVEN],
        cwd=copy,
        env=os.environ | nobody,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("Git does not know who commits: git config")


def test_a_file_that_git_ignores_is_not_overwritten(copy: Path) -> None:
    (copy / ".git/info/exclude").write_text("setup.py\n")
    (copy / "setup.py").write_text("mine")
    before = state(copy)
    done = initialise(copy, *GIVEN)
    assert done.returncode == 1 and state(copy) == before
    assert "setup.py is in the way" in done.stderr


def test_a_copy_knows_the_template_by_its_tree(copy: Path) -> None:
    (copy / "README.md").write_text("Mine, before it was a project.\n")
    commit(copy, "On top")
    assert initialise(copy, *GIVEN).returncode == 0
    record = json.loads((copy / RECORD).read_text("utf-8"))
    assert record["template"] is None
    tree_of_the_template = git(template_repository(), "rev-parse", "HEAD^{tree}")
    assert record["commit"] == tree_of_the_template.strip()
    questions = record["context"]["cookiecutter"]
    assert questions["serving"] == "none" and "_taken_slugs" not in questions


@pytest.mark.parametrize("options", [[], ["--depth=1"]], ids=["whole", "shallow"])
def test_a_clone_knows_the_template_by_its_url_without_a_password(
    options: list[str], tmp_path: Path
) -> None:
    clone, template = tmp_path / "clone", template_repository().as_uri()
    git(tmp_path, "clone", "--quiet", *options, template, str(clone))
    url = "https://ann:secret@example.com/template.git"
    git(clone, "remote", "set-url", "origin", url)
    assert initialise(clone, *GIVEN).returncode == 0
    record = json.loads((clone / RECORD).read_text("utf-8"))
    assert record["template"] == URL
    head = git(template_repository(), "rev-parse", "HEAD").strip()
    assert record["commit"] == head


def test_cruft_finds_no_difference_to_the_template(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(template_repository()), str(clone))
    assert initialise(clone, *GIVEN).returncode == 0
    command = [sys.executable, "-m", "cruft", "diff", "--exit-code"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr

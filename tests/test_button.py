"""The workflow that turns a copy of the template into a project, run by act.

GitHub's side is stood in for: the repository is a bare one on this machine, the event
is written here, ``gh`` says which template it is, and the environment with Cookiecutter
is that of the tests. What a token may write is not known to a bare repository: the
test without one holds that nothing below ``.github/workflows`` changes.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.copies import (
    RECORD,
    WHO,
    commit,
    copied,
    initialise,
    generated,
    git,
    template_repository,
    tree,
)
from tests.generating import NASTY, TEMPLATE, generate, typed
from tools import button, init

WORKFLOWS = TEMPLATE / ".github/workflows"
URL = "https://github.com/somebody/template.git"
HOSTILE = NASTY + " $(touch injected) `touch injected` \"; touch injected; ' ${{ 1 }}"
ANSWERS = {"serving": "none", "license": "Apache-2.0"}
INPUTS = ANSWERS | {"description": HOSTILE, "target_column": ""}
REPOSITORY = {
    "name": "bike_rentals",
    "full_name": "ann/bike_rentals",
    "description": "Unused, as there is an input.",
    "default_branch": "main",
    "is_template": False,
    "owner": {"login": "ann"},
}

CHECKOUT = """
name: stub
inputs:
  ref: {required: true}
  fetch-depth: {required: true}
  persist-credentials: {required: true}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        REF: ${{ inputs.ref }}
        OPTIONS: ${{ inputs.fetch-depth }} ${{ inputs.persist-credentials }}
      run: |
        test "$OPTIONS" = "0 false"
        find . -mindepth 1 -delete
        git clone --quiet --branch "$REF" "$REMOTE" .
"""
SETUP = """
name: stub
runs:
  using: composite
  steps:
    - run: python --version
      shell: bash
"""
# The environment that the workflow makes: nothing is installed into it.
PYTHON = """\
#!/bin/sh
test "$2" = venv || exec "{python}" "$@"
mkdir -p "$3/bin"
printf '#!/bin/sh\\nexec "{python}" "$@"\\n' > "$3/bin/python"
printf '#!/bin/sh\\necho pip "$@" >> "$CALLS"\\n' > "$3/bin/pip"
chmod +x "$3/bin/python" "$3/bin/pip"
"""
GH = """\
#!/bin/sh
echo "gh $* with $GH_TOKEN" >> "$CALLS"
test "$1" = auth || echo "{url}"
"""


class Outcome(NamedTuple):
    """What a run of the workflow left.

    Attributes:
        succeeded: Whether all steps did.
        log: What was printed.
        remote: The repository that was pushed to.
        calls: What was asked of ``gh`` and ``pip``.
        summary: What the summary of the run shows.
    """

    succeeded: bool
    log: str
    remote: Path
    calls: list[str]
    summary: str


def program(path: Path, text: str) -> None:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def press(
    folder: Path,
    inputs: dict[str, str],
    *secrets: str,
    repository: dict[str, Any] = REPOSITORY,
) -> Outcome:
    """Run the workflow in a copy of the template.

    Args:
        folder: Where everything goes; a copy that is there is taken.
        inputs: What was typed and chosen.
        secrets: As ``NAME=value``.
        repository: What GitHub says of the repository.
    """
    copy, remote, summary = folder / "copy", folder / "remote", folder / "summary"
    if not copy.exists():
        copied(copy)
        git(folder, "clone", "--quiet", "--bare", str(copy), str(remote))
        address = f"https://github.com/{REPOSITORY['full_name']}"  # act looks there
        git(copy, "remote", "add", "origin", address)
    program(folder / "bin/python", PYTHON.format(python=sys.executable))
    program(folder / "bin/gh", GH.format(url=URL))
    actions = {"checkout": CHECKOUT, "setup-python": SETUP}
    options = []
    for name, action in actions.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "action.yml").write_text(action, encoding="utf-8")
        text = (WORKFLOWS / "project.yml").read_text(encoding="utf-8")
        (used,) = set(re.findall(rf"actions/{name}@\w+", text))
        options.append(f"--local-repository=https://github.com/{used}={folder / name}")
    event = {"inputs": inputs, "repository": repository}
    (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
    (folder / "bash_env").write_text(f"GITHUB_STEP_SUMMARY={summary}\n")
    for path in (summary, folder / "calls"):
        path.write_text("")
    variables = {
        "BASH_ENV": str(folder / "bash_env"),
        "CALLS": str(folder / "calls"),
        "REMOTE": str(remote),
    }
    command = [
        *("act", "workflow_dispatch", "--workflows", ".github/workflows/project.yml"),
        *("--eventpath", str(folder / "event.json")),
        *("--platform", "ubuntu-24.04=-self-hosted"),
        *(f"--secret={secret}" for secret in ("GITHUB_TOKEN=GitHub's own", *secrets)),
        *(f"--env={name}={value}" for name, value in variables.items()),
        *options,
    ]
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=copy,
        env=os.environ | {"PATH": path, "XDG_CACHE_HOME": str(folder / "cache")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
    )
    calls = (folder / "calls").read_text(encoding="utf-8").splitlines()
    text = summary.read_text(encoding="utf-8")
    return Outcome(done.returncode == 0, done.stdout, remote, calls, text)


def expected(folder: Path) -> dict[str, str]:
    """Return what plain Cookiecutter makes of the answers that the button gives."""
    texts = {
        "project_name": "bike_rentals",
        "project_slug": "bike_rentals",
        "description": typed(HOSTILE),
        "author_name": "ann",
        "author_email": "ann@users.noreply.github.com",
    }
    return generated(generate(folder / "plain", **texts, **ANSWERS))


@pytest.fixture(scope="module")
def with_token(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run with a token that may write workflows."""
    return press(tmp_path_factory.mktemp("with"), INPUTS, "TEMPLATE_TOKEN=the owner's")


@pytest.fixture(scope="module")
def without_token(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run with the token of the workflow alone, and the repository's description."""
    repository = REPOSITORY | {"description": HOSTILE}
    inputs = INPUTS | {"description": ""}
    return press(tmp_path_factory.mktemp("without"), inputs, repository=repository)


def test_with_a_token_the_whole_project_is_pushed_in_one_commit(
    with_token: Outcome, tmp_path: Path
) -> None:
    assert with_token.succeeded, with_token.log[-6000:]
    found = tree(with_token.remote)
    assert found.pop(RECORD) and found == expected(tmp_path)
    assert git(with_token.remote, "rev-list", "--count", "main") == "2\n"
    assert with_token.calls == [
        "pip install --quiet --constraint constraints.txt cookiecutter",
        'gh api repos/ann/bike_rentals --jq .template_repository.clone_url // "" '
        "with GitHub's own",
        "gh auth setup-git with the owner's",
    ]
    assert "```bash\nmake setup\nmake pipeline\n```" in with_token.summary
    assert "enable-workflows" not in with_token.summary


def test_nothing_that_was_typed_is_run(
    with_token: Outcome, without_token: Outcome
) -> None:
    for run in (with_token, without_token):
        assert not list(run.remote.parent.rglob("injected"))
        record = json.loads(git(run.remote, "show", f"main:{RECORD}"))
        assert record["context"]["cookiecutter"]["description"] == HOSTILE


def test_the_project_knows_the_template_that_the_button_copied(
    without_token: Outcome,
) -> None:
    record = json.loads(git(without_token.remote, "show", f"main:{RECORD}"))
    copied_tree = git(template_repository(), "rev-parse", "HEAD^{tree}").strip()
    assert (record["template"], record["commit"]) == (URL, copied_tree)


def test_without_a_token_no_workflow_changes_and_one_command_enables_them(
    with_token: Outcome, without_token: Outcome, tmp_path: Path
) -> None:
    run, clone = without_token, tmp_path / "clone"
    assert run.succeeded, run.log[-6000:]
    assert run.calls[-1] == "gh auth setup-git with GitHub's own"
    changed = git(run.remote, "diff", "--name-only", "main^", "main").splitlines()
    assert not [path for path in changed if path.startswith(".github/workflows/")]
    assert git(run.remote, "rev-list", "--count", "main") == "2\n"

    command = "bash .github/enable-workflows.sh"
    assert f"```bash\n{command} && git push\nmake setup\n" in run.summary
    git(tmp_path, "clone", "--quiet", str(run.remote), str(clone))
    (clone / "mine.txt").write_text("not committed\n")
    enable = {"cwd": clone, "env": os.environ | WHO, "capture_output": True}
    assert subprocess.run(command.split(), **enable).returncode == 1
    assert git(clone, "status", "--porcelain") == "?? mine.txt\n"
    (clone / "mine.txt").unlink()
    subprocess.run(command.split(), **enable, check=True)
    assert git(clone, "rev-list", "--count", "HEAD") == "3\n"
    assert git(clone, "status", "--porcelain") == ""
    assert tree(clone) == tree(with_token.remote)


def test_a_project_without_workflows_is_rid_of_the_templates_by_the_same_command(
    tmp_path: Path,
) -> None:
    at_once, later = (copied(tmp_path / name / "same") for name in "ab")
    assert initialise(at_once, "serving=none", "ci=none").returncode == 0
    given = {"serving": "none", "ci": "none"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WHO.items():
            patch.setenv(name, value)
        init.initialise(later, given, may_write_workflows=False)
    script = ["bash", ".github/enable-workflows.sh"]
    subprocess.run(script, cwd=later, env=os.environ | WHO, check=True)
    assert tree(later) == tree(at_once)


@pytest.mark.parametrize("name", ["mine.yml", "deploy.yml"])
def test_a_workflow_of_the_owners_is_not_removed_with_the_templates(
    name: str, without_token: Outcome, tmp_path: Path
) -> None:
    clone, mine = tmp_path / "clone", Path(".github/workflows", name)
    git(tmp_path, "clone", "--quiet", str(without_token.remote), str(clone))
    (clone / mine).write_text("on: push\n")
    commit(clone, "Mine")
    before = git(clone, "rev-parse", "HEAD")
    script = ["bash", ".github/enable-workflows.sh"]
    done = subprocess.run(script, cwd=clone, env=os.environ | WHO, capture_output=True)
    assert git(clone, "status", "--porcelain") == ""
    assert (clone / mine).read_text() == "on: push\n"
    in_the_way = name == "deploy.yml"  # as one of the project's is called
    assert (done.returncode != 0) == in_the_way
    assert (git(clone, "rev-parse", "HEAD") == before) == in_the_way


def test_the_script_that_enables_workflows_is_sound() -> None:
    script = str(TEMPLATE / "tools/enable-workflows.sh")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_refused_answers_stand_in_the_summary_in_the_words_of_the_hook(
    tmp_path: Path,
) -> None:
    bad = {"author_email": "$(touch injected)", "target_column": "y"}
    run = press(tmp_path, INPUTS | bad)
    assert not run.succeeded
    assert "  author_email: '$(touch injected)'\n    expected: an e-mail" in run.summary
    assert "  target_column: 'y'\n    expected: 'income' with the sample" in run.summary
    assert "Traceback" not in run.summary + run.log
    assert git(run.remote, "rev-list", "--count", "--all") == "1\n"
    assert not list(tmp_path.rglob("injected"))


def test_a_project_is_not_made_twice(tmp_path: Path) -> None:
    first = press(tmp_path, INPUTS)
    assert first.succeeded, first.log[-6000:]
    again = press(tmp_path, INPUTS)
    assert not again.succeeded and again.calls == []
    assert again.summary == "This repository is a project already.\n"


def test_in_the_template_itself_nothing_runs(tmp_path: Path) -> None:
    run = press(tmp_path, INPUTS, repository=REPOSITORY | {"is_template": True})
    assert run.succeeded and run.calls == []
    assert git(run.remote, "rev-list", "--count", "--all") == "1\n"


@pytest.mark.parametrize("path", sorted(WORKFLOWS.iterdir()), ids=lambda p: p.stem)
def test_each_job_runs_either_in_the_template_or_in_copies(path: Path) -> None:
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        if path.name == "project.yml":
            assert job["if"] == "${{ !github.event.repository.is_template }}"
        else:
            guard, *others = job["if"].split(" && ")
            assert guard == "github.event.repository.is_template"
            assert not any("||" in other for other in others)


def test_only_the_last_step_has_a_token_that_may_write() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "project.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["project"]
    assert workflow["permissions"] == {} and job["permissions"] == {"contents": "write"}
    holding = [
        step["name"] for step in job["steps"] if "GH_TOKEN" in step.get("env", {})
    ]
    assert holding == ["Ask which template this is", "Push it"]
    for step in job["steps"]:
        assert "${{" not in step.get("run", ""), "a shell reads what is in a text"


def test_the_inputs_are_the_questions() -> None:
    text = (TEMPLATE / button.WORKFLOW).read_text(encoding="utf-8")
    stale = "run: .venv/bin/python -m tools.button --inputs"
    assert text == button.written(TEMPLATE), stale
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
    asked = yaml.safe_load(text)[True]["workflow_dispatch"]["inputs"]
    public = [question for question in questions if not question.startswith("_")]
    assert list(asked) == [q for q in public if q not in button.NOT_ASKED]
    assert len(asked) <= 25, "GitHub takes no more"
    for question, given in asked.items():
        default = questions[question]
        if isinstance(default, list):  # the first of them is the default
            shown = [choice if "{" not in choice else "preset" for choice in default]
            assert (given["type"], given["options"]) == ("choice", shown)
        else:
            assert given["type"] == "string"
            assert given.get("default", "") in ("", default)


def test_a_choice_that_another_answer_makes_is_shown_in_a_word_and_left_open() -> None:
    questions = {
        "serving": ["{{ cookiecutter.preset }}", "flask"],
        "__prompts__": {"serving": {"__prompt__": "Serving"}},
    }
    asked = yaml.safe_load("inputs:\n" + button.inputs(questions))["inputs"]
    assert asked["serving"]["options"] == ["preset", "flask"]
    assert "serving" not in button.answers({"serving": "preset"}, REPOSITORY)
    assert button.answers({"serving": "flask"}, REPOSITORY)["serving"] == "flask"


@pytest.mark.parametrize("description", [None, "", "  "])
def test_what_is_left_empty_is_taken_from_the_repository(
    description: str | None,
) -> None:
    inputs = {"project_name": "", "author_name": " ", "author_email": "a@example.com"}
    given = button.answers(inputs, REPOSITORY | {"description": description})
    assert given == {
        "project_name": "bike_rentals",
        "author_name": "ann",
        "author_email": "a@example.com",
    }

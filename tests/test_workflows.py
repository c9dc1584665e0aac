"""The workflows of a generated project, run for real by act on this machine.

act reads a workflow as GitHub does and runs its steps in folders of their own. What
GitHub alone has is stood in for: the Python of ``setup-python`` is one on the path; the
cache is empty; artifacts are a folder; ``gh`` writes down what it is asked; the
summary, which act forgets after each step, is a file that ``BASH_ENV`` names to each.
Not run here: the matrix of the job ``test``, whose commands ``test_living.py`` runs,
the steps that need a Docker engine, and what a token is allowed to do.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.generating import TEMPLATE, generate
from tests.interpreters import interpreter

WORKFLOW = Path(".github/workflows/tests.yml")
DEPLOY = Path(".github/workflows/deploy.yml")
REPOSITORY = "owner/project"
NUMBER = 7
# Without what the job needs an engine for, or takes long to install.
ANSWERS = {
    "deployment": "none",
    "serving": "none",
    "data_versioning": "none",
    "responsible_ai": "no",
}

STUBS = {
    "setup-python": """
runs:
  using: composite
  steps:
    - run: python --version
      shell: bash
""",
    "cache": """
inputs:
  path: {required: true}
  key: {required: true}
runs:
  using: composite
  steps:
    - run: test -n "$KEY" && test ! -e "$FILES"
      shell: bash
      env:
        KEY: ${{ inputs.key }}
        FILES: ${{ inputs.path }}
""",
    "upload-artifact": """
inputs:
  name: {required: true}
  path: {required: true}
  if-no-files-found: {default: warn}
runs:
  using: composite
  steps:
    - run: test ! -e "$FILES" || { mkdir -p "$STORE" && cp -r "$FILES" "$STORE"; }
      shell: bash
      env:
        FILES: ${{ inputs.path }}
        STORE: ${{ env.ARTIFACTS }}/${{ inputs.name }}
""",
    "download-artifact": """
inputs:
  pattern: {required: true}
  merge-multiple: {required: true}
runs:
  using: composite
  steps:
    - run: test ! -d "$STORE" || cp -r "$STORE/." .
      shell: bash
      env:
        STORE: ${{ env.ARTIFACTS }}/${{ inputs.pattern }}
""",
}

# To take less time: fewer samples than a person would draw, and no record of the runs.
ENVIRONMENT = {
    "MLOPS_EVALUATION__BOOTSTRAP_SAMPLES": "20",
    "MLOPS_TRACKING__ENABLED": "false",
    "OMP_NUM_THREADS": "1",
}

GH = """\
#!/usr/bin/env bash
set -euo pipefail
printf '%s\\n' "$GH_REPO" "$GH_TOKEN" "$@" > "$ARTIFACTS/asked"
ls -A > "$ARTIFACTS/around"
cp gate.md "$ARTIFACTS/posted"
"""


class Outcome(NamedTuple):
    """What a run of the workflow left.

    Attributes:
        succeeded: Whether all jobs did.
        log: What was printed.
        artifacts: The folder of the artifacts, of the summary, and of what ``gh`` got.
    """

    succeeded: bool
    log: str
    artifacts: Path

    def asked(self) -> list[str]:
        """Return the repository, the token and the arguments that ``gh`` got."""
        return (self.artifacts / "asked").read_text(encoding="utf-8").splitlines()

    def summary(self) -> str:
        """Return what the summary of the run shows."""
        return (self.artifacts / "summary").read_text(encoding="utf-8")

    def posted(self) -> str:
        """Return the text of the comment."""
        return (self.artifacts / "posted").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for an environment and projects, removed at once: it is large."""
    folder = tmp_path_factory.mktemp("workflow")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def defaults(home: Path) -> Path:
    """A project with the default answers."""
    return generate(home / "defaults")


@pytest.fixture(scope="module")
def project(home: Path) -> Path:
    """A project in a repository of its own, with everything on the branch main."""
    folder = generate(home, **ANSWERS)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "remote", "add", "origin", f"https://github.com/{REPOSITORY}")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=The project")
    return folder


@pytest.fixture(scope="module")
def python() -> Path:
    """The folder of a Python such as ``setup-python`` puts on the path."""
    return interpreter("3.12").parent


def git(project: Path, *arguments: str) -> None:
    """Run git as a person with a name."""
    who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=project, check=True)


def propose(project: Path, branch: str, params: dict[str, float]) -> None:
    """Check out what GitHub does for a pull request: its merge into main."""
    git(project, "switch", "--quiet", "--create", branch, "main")
    path = project / "config/model_config.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["model"]["params"] |= params
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    git(project, "commit", "--quiet", "--all", f"--message={branch}")
    git(project, "switch", "--quiet", "--detach", "main")
    git(project, "merge", "--quiet", "--no-ff", "--message=A merge", branch)


def run_workflow(project: Path, python: Path, folder: Path) -> Outcome:
    """Run the jobs ``pipeline`` and ``comment`` for the pull request checked out.

    Args:
        project: What is checked out.
        python: The folder of the Python.
        folder: Where stubs, artifacts and the folders of the jobs go.
    """
    artifacts, programs, cache = (folder / n for n in ("artifacts", "bin", "cache"))
    for path in (artifacts, programs, cache):
        path.mkdir()
    (programs / "gh").write_text(GH, encoding="utf-8")
    (programs / "gh").chmod(0o755)
    event = {
        "repository": {"full_name": REPOSITORY},
        "pull_request": {
            "number": NUMBER,
            "base": {"ref": "main"},
            "head": {"ref": "a change", "repo": {"full_name": REPOSITORY}},
        },
    }
    (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
    variables = ENVIRONMENT | {
        "ARTIFACTS": str(artifacts),
        "BASH_ENV": str(folder / "bash_env"),
    }
    (folder / "bash_env").write_text(f"GITHUB_STEP_SUMMARY={artifacts}/summary\n")
    command = [
        *("act", "pull_request", "--workflows", str(WORKFLOW), "--job", "comment"),
        *("--eventpath", str(folder / "event.json")),
        *("--platform", "ubuntu-latest=-self-hosted"),
        *("--secret", "GITHUB_TOKEN=a token"),
        *(f"--env={name}={value}" for name, value in variables.items()),
        *local_actions(project, folder / "actions"),
    ]
    path = os.pathsep.join([str(programs), str(python), os.environ["PATH"]])
    finished = subprocess.run(
        command,
        cwd=project,
        env=os.environ | {"PATH": path, "XDG_CACHE_HOME": str(cache)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=900,
        check=False,
    )
    return Outcome(finished.returncode == 0, finished.stdout, artifacts)


def local_actions(project: Path, folder: Path) -> list[str]:
    """Write the stubs, and return the options that put them in the actions' place."""
    text = (project / WORKFLOW).read_text(encoding="utf-8")
    options = []
    for name, action in STUBS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "action.yml").write_text(f"name: stub{action}", "utf-8")
        for used in sorted(set(re.findall(rf"actions/{name}@\w+", text))):
            options += [
                "--local-repository",
                f"https://github.com/{used}={folder / name}",
            ]
    return options


def test_only_a_job_without_code_of_the_pull_request_may_write(defaults: Path) -> None:
    tests = workflow(defaults, WORKFLOW)
    jobs = tests["jobs"]
    writing = {n: j for n, j in jobs.items() if "write" in j["permissions"].values()}
    assert tests["permissions"] == {}
    assert set(writing) == {"comment"}
    assert writing["comment"]["permissions"] == {"pull-requests": "write"}
    used = [step.get("uses", "") for step in writing["comment"]["steps"]]
    assert not any("checkout" in action for action in used)


@pytest.mark.slow
def test_a_pull_request_is_held_against_the_model_of_its_base_branch(
    project: Path, python: Path, tmp_path: Path
) -> None:
    propose(project, "fewer-rounds", {"max_iter": 90})
    run = run_workflow(project, python, tmp_path)
    assert run.succeeded, run.log[-6000:]
    # First the model of the base branch, which the other is then compared with.
    assert re.findall(r"version (\d) is the champion", run.log) == ["1", "2"]
    assert "### The challenger passes the gate" in run.posted()
    assert "| ✅ | ROC AUC against the champion |" in run.posted()
    assert run.summary() == run.posted()
    body = ["--body-file", "gate.md", "--edit-last", "--create-if-none"]
    assert run.asked() == [REPOSITORY, "a token", "pr", "comment", str(NUMBER), *body]
    # The job that may write has the table, and nothing of the pull request.
    assert (run.artifacts / "around").read_text("utf-8") == "gate.md\n"
    assert (run.artifacts / "reports/reports/evaluation.html").exists()


@pytest.mark.slow
def test_a_pull_request_that_makes_the_model_worse_fails_and_is_told(
    project: Path, python: Path, tmp_path: Path
) -> None:
    propose(project, "one-round", {"max_iter": 1, "min_samples_leaf": 2000})
    run = run_workflow(project, python, tmp_path)
    assert not run.succeeded
    assert "version 1 is the champion" in run.log
    assert "version 2 is refused: " in run.log
    assert "### The challenger does **not** pass the gate" in run.posted()
    assert "| ❌ | ROC AUC against the champion |" in run.posted()
    assert run.summary() == run.posted()
    assert (run.artifacts / "reports/reports/evaluation.html").exists()


def workflow(project: Path, path: Path) -> dict[str, Any]:
    """Return a workflow of a project."""
    read: dict[str, Any] = yaml.safe_load((project / path).read_text(encoding="utf-8"))
    return read


def commands(job: dict[str, Any]) -> str:
    """Return what the steps of a job run."""
    return "\n".join(step.get("run", "") for step in job["steps"])


@pytest.mark.parametrize(
    ("tracking", "source"),
    [("mlflow", "sample"), ("mlflow", "own.csv"), ("none", "own.csv")],
)
def test_a_champion_changes_only_behind_the_protected_environment(
    tmp_path: Path, tracking: str, source: str
) -> None:
    (tmp_path / "own.csv").write_text("income,x\n1,2\n2,3\n")
    answers = {"data_source": source, "target_column": "income"}
    project = generate(tmp_path, experiment_tracking=tracking, **answers)
    jobs = workflow(project, DEPLOY)["jobs"]
    deciding = {n: commands(j) for n, j in jobs.items() if "promote.py" in commands(j)}
    unprotected = {n for n in deciding if jobs[n].get("environment") != "prod"}
    assert unprotected == {"train"} and "--dry-run" in deciding.pop("train")
    assert all("make data" in text for text in deciding.values())  # which it is held on
    reached, waiting = set(), ["prod"]
    while waiting:  # what has to be over before
        needed = jobs[waiting.pop()].get("needs", [])
        waiting += [needed] if isinstance(needed, str) else needed
        reached |= set(waiting)
    assert reached == set(jobs) - {"prod"}
    for name in deciding:
        source_of = {"MLOPS_DATA__SOURCE": "${{ vars.DATA_SOURCE }}"}
        assert (jobs[name].get("env") == source_of) == (source != "sample")


@pytest.mark.parametrize("path", [WORKFLOW, DEPLOY], ids=["tests", "deploy"])
def test_each_job_takes_the_environment_that_the_cache_has(
    defaults: Path, path: Path
) -> None:
    jobs = workflow(defaults, path)["jobs"]
    keys = set()
    for job in jobs.values():
        if "python" not in commands(job):
            continue
        steps = job["steps"]
        (cache,) = (s for s in steps if "actions/cache@" in s.get("uses", ""))
        (install,) = (s for s in steps if "make setup" in s.get("run", ""))
        assert install["if"] == "steps.environment.outputs.cache-hit != 'true'"
        assert (cache["id"], cache["with"]["path"]) == ("environment", ".venv")
        assert "pip install" not in commands(job)
        keys.add(cache["with"]["key"])
    assert len(keys) == 1


def test_the_card_is_checked_with_credentials_or_not_at_all(defaults: Path) -> None:
    steps = workflow(defaults, WORKFLOW)["jobs"]["pipeline"]["steps"]
    (check,) = (step for step in steps if "card-check" in step.get("run", ""))
    names = ("URI", "USERNAME", "PASSWORD")
    assert set(check["env"]) == {f"MLFLOW_TRACKING_{name}" for name in names}
    assert check["if"] == (
        "vars.MLFLOW_TRACKING_URI != '' && !github.event.pull_request.head.repo.fork"
    )


def test_a_base_branch_without_a_model_is_no_failure(
    defaults: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    steps = workflow(defaults, WORKFLOW)["jobs"]["pipeline"]["steps"]
    (step,) = (s for s in steps if "HEAD^1" in s.get("run", ""))
    project.mkdir()
    git(project, "init", "--quiet", "--initial-branch=main")
    for message in ("Nothing but a README", "The project"):
        git(project, "commit", "--quiet", "--allow-empty", f"--message={message}")
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=project,
        env=os.environ | {"RUNNER_TEMP": str(tmp_path / "temp")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("::notice::The base branch has no model")


def proposed(folder: Path, open_request: str) -> list[str]:
    """Run the step that proposes renewed pins; return what ``gh`` was asked."""
    job = workflow(TEMPLATE, Path(".github/workflows/pins.yml"))["jobs"]["propose"]
    for repository in ("origin", "clone"):
        (folder / repository).mkdir()
    git(folder / "origin", "init", "--quiet", "--bare", "--initial-branch=main")
    clone, pins = folder / "clone", folder / "clone/constraints.txt"
    git(clone, "init", "--quiet", "--initial-branch=main")
    git(clone, "remote", "add", "origin", str(folder / "origin"))
    pins.write_text("a==1\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message=Pins")
    pins.write_text("a==2\n")
    with (folder / "pins.patch").open("w") as patch:
        subprocess.run(["git", "diff"], cwd=clone, stdout=patch, check=True)
    git(clone, "checkout", "--quiet", "--", ".")
    gh = folder / "bin/gh"
    gh.parent.mkdir()
    asked, listed = folder / "asked", f'"$2" = list && echo "{open_request}"'
    gh.write_text(f'#!/bin/sh\necho "$@" >> {asked}\ntest {listed}; true\n')
    gh.chmod(0o755)
    subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", job["steps"][-1]["run"]],
        cwd=clone,
        env=os.environ
        | {
            "PATH": f"{gh.parent}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(folder),
            "TESTS": "failure",
            "RUN": "the run",
        },
        check=True,
    )
    shown = ["git", "show", "pins:constraints.txt"]
    found = subprocess.run(shown, cwd=folder / "origin", capture_output=True, text=True)
    assert found.stdout == "a==2\n"
    return asked.read_text(encoding="utf-8").splitlines()


def test_renewed_pins_are_proposed_once(tmp_path: Path) -> None:
    for number, request in (("first", ""), ("second", "7")):
        (tmp_path / number).mkdir()
        *_, last = proposed(tmp_path / number, request)
        said = "`make lock` renewed the pins. `make test` with them: failure (the run)."
        if request:
            assert last == f"pr edit 7 --body {said}"
        else:
            title = "--title Renew the pins"
            assert last == f"pr create --head pins {title} --body {said}"


def test_the_job_that_may_push_renewed_pins_runs_nothing_that_was_installed() -> None:
    pins = workflow(TEMPLATE, Path(".github/workflows/pins.yml"))
    may = {name: job["permissions"] for name, job in pins["jobs"].items()}
    assert pins["permissions"] == {} and pins[True]["schedule"]  # `on` is YAML's True
    assert may["renew"] == {"contents": "read"}
    assert may["propose"] == {"contents": "write", "pull-requests": "write"}
    assert not re.search(r"^ *(make|pip|uv)\b", commands(pins["jobs"]["propose"]), re.M)

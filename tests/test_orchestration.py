"""The flow of each orchestrator, run by the tool that the project installs for it.

What a cluster, a server or a schedule does with it is not proven here: the tools run it
on this machine, at once. The projects are one after the other in the same folder, as
they differ in their flow and not in their packages.
"""

import ast
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.generating import FOLDER, generate, questions
from tests.interpreters import interpreter
from tests.machine import environment
from tests.test_monitoring_report import python
from tests.test_setup import PROGRAMS, script, which

TOOLS = [tool for tool in questions()["orchestration"] if tool != "none"]
# A model that is trained and measured at once, and passes the gate.
FAST = {
    "MLOPS_MODEL__TYPE": "linear",
    "MLOPS_MODEL__PARAMS": "{}",
    "MLOPS_EVALUATION__BOOTSTRAP_SAMPLES": "10",
}
MOST_LINES = 150


def constants(tool: str) -> dict[str, Any]:
    """Return the constants of the flow of a tool that are literals."""
    text = (FOLDER / f"flows/pipeline_{tool}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(
            node.value, ast.Dict | ast.Constant
        ):
            try:
                found[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
            except ValueError:  # made of others
                continue
    return found


@pytest.mark.parametrize("tool", TOOLS)
def test_a_flow_runs_what_make_runs(tool: str, tmp_path: Path) -> None:
    project = generate(tmp_path, orchestration=tool)
    command = [which("make"), "--dry-run", "--no-print-directory", "pipeline"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = [line for line in done.stdout.splitlines() if line.startswith("python ")]
    # In a flow, MLOPS_ENV or .env decides for the training, as it does for the others.
    made = [line.replace(" --env-config config/env/dev.yaml", "") for line in made]
    flown = constants(tool)["COMMANDS"]
    assert [*flown.values()] == [*made, "make promote WHY='the flow'"]
    assert constants(tool)["ONCE"] == [*flown][-1]


def test_the_tool_is_installed_once_and_again_where_its_requirements_change(
    tmp_path: Path,
) -> None:
    project = generate(tmp_path, orchestration="prefect")
    programs, ready = tmp_path / "bin", ".venv-orchestration/.ready"
    for name in (*PROGRAMS, "touch"):
        path = "PATH=/usr/local/bin:/usr/bin:/bin"
        script(programs / name, f'{path} exec {name} "$@"')
    python(project / ".venv/bin/python", "3.13.0")
    command = [which("make"), ready, f"SHELL={which('sh')}"]
    for is_newer, times in [(False, 1), (False, 1), (True, 2)]:
        if is_newer:
            os.utime(project / "requirements-orchestration.txt", (2e9, 2e9))
        variables = {"PATH": str(programs)}
        done = subprocess.run(command, cwd=project, env=variables, capture_output=True)
        assert done.returncode == 0, done.stderr
        assert (project / "made").read_text().split() == ["3.13.0"] * times


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its packages."""
    answers = {"preset": "minimal", "project_slug": "flown"}
    project = generate(tmp_path_factory.mktemp("installed"), **answers)
    assert make(project, "setup").returncode == 0
    return project


@pytest.fixture(params=TOOLS)
def project(request: pytest.FixtureRequest, installed: Path, tmp_path: Path) -> Path:
    """A project with a flow of the tool, that notes when some stages are tried."""
    answers = {"preset": "minimal", "project_slug": "flown"}
    made = generate(tmp_path, orchestration=request.param, **answers)
    for path in installed.iterdir():
        if path.name != ".venv":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(made, installed, dirs_exist_ok=True)
    replace(
        installed / "flows/pipeline.py",
        {
            '"download": "': '"download": "echo download >> tries; ',
            '"promote": "': '"promote": "echo promote >> tries; ',
            "RETRY_SECONDS = 2, 60": "RETRY_SECONDS = 2, 1",
        },
    )
    return installed


def replace(path: Path, changes: dict[str, str]) -> None:
    """Replace texts that are each in a file once."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def make(
    project: Path, target: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of a project, with its output in one text."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=project,
        env=kept | environment(interpreter("3.12")) | FAST | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[str]]]:
    """The URL of a webhook on this machine, and the texts that it is told."""
    texts: list[str] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            texts.append(json.loads(body)["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", texts
        server.shutdown()


def tries(project: Path) -> list[str]:
    """Return which stages were tried since this was asked last."""
    path = project / "tries"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


@pytest.mark.slow
def test_a_flow_makes_a_champion_and_what_fails_is_tried_again_and_told(
    project: Path, webhook: tuple[str, list[str]]
) -> None:
    url, texts = webhook
    # The tool of a cluster tells which run failed, and its page which stage.
    told = "failed" if (project / ".gitignore").read_text().count("kubeflow") else ""

    done = make(project, "flow", FAILURE_WEBHOOK=url, MLOPS_DATA__SOURCE="nowhere.csv")
    assert done.returncode != 0
    assert "stage download failed" in done.stdout, done.stdout[-6000:]
    assert (tries(project), len(texts)) == (["download"] * 3, 1), done.stdout[-6000:]
    assert (told or "stage download failed") in texts.pop()

    done = make(project, "flow", FAILURE_WEBHOOK=url)
    assert done.returncode == 0, done.stdout[-6000:]
    assert (project / "reports/evaluation.html").exists()
    assert "version 1 is the champion" in done.stdout
    assert (tries(project), texts) == (["download", "promote"], [])

    # As a model that the gate refuses, after stages that do nothing.
    flow = project / "flows/pipeline.py"
    text = flow.read_text(encoding="utf-8").replace(': "python ', ': "true ')
    flow.write_text(text.replace("make promote", "false"), encoding="utf-8")
    with (project / ".env").open("a", encoding="utf-8") as file:
        file.write(f"FAILURE_WEBHOOK={url}\n")
    done = make(project, "flow")
    assert done.returncode != 0
    assert "stage promote failed" in done.stdout, done.stdout[-6000:]
    assert (tries(project), len(texts)) == (["download", "promote"], 1)
    assert (told or "stage promote failed") in texts.pop()

    git = ["git", "-C", str(project)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    command = [*git, "status", "--porcelain", "--untracked-files", "--", ".*"]
    seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert not [
        line for line in seen.splitlines() if "/" in line and ".github" not in line
    ]
    if told:
        with (project / "build/pipeline.yaml").open(encoding="utf-8") as file:
            spec, platform = yaml.safe_load_all(file)
        assert spec["pipelineInfo"]["name"] == "pipeline"
        mounted = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        assert sum("pvcMount" in executor for executor in mounted.values()) == 5

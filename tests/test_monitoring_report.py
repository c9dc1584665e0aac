"""The report of the monitoring: the environment that draws it, and what it shows.

The tools that draw are not among the packages of a project. So a project's own
``make`` installs them here, and its script draws made-up tables that hold what real
ones do. A browser opens a page where this machine has one.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.generating import TEMPLATE, generate, questions
from tests.test_setup import PROGRAMS, script, which

TOOLS = [tool for tool in questions()["monitoring"] if tool != "none"]
READY = ".venv-monitoring/.ready"
DRAWS = "scripts/monitoring_report.py"
# Runs a script, and writes down whom it tried to reach.
ALONE = """
import runpy, socket, sys
def reached(*address):
    open("reached", "a").write(f"{address}\\n")
    raise OSError("no network")
socket.getaddrinfo = socket.socket.connect = reached
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module", params=TOOLS)
def project(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project that watches its service with one of the tools."""
    folder = tmp_path_factory.mktemp("monitoring")
    return generate(folder, monitoring=request.param)


def make(
    project: Path, target: str, path: str, *settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of a project with the programs that are on a path."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        [which("make"), "--no-print-directory", target, *settings],
        cwd=project,
        env=variables | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


# The commands, with programs that only say how they were called.


@pytest.fixture
def bare(project: Path, tmp_path: Path) -> Path:
    """A folder with what `make monitor` reads of a project, and hardly a program."""
    for name in ("Makefile", ".python-version", "requirements-monitoring.txt"):
        (tmp_path / name).write_bytes((project / name).read_bytes())
    for name in (*PROGRAMS, "touch"):
        path = "PATH=/usr/local/bin:/usr/bin:/bin"
        script(tmp_path / "bin" / name, f'{path} exec {name} "$@"')
    return tmp_path


def python(path: Path, version: str) -> None:
    """Write a program that is taken for a Python, and makes environments of itself."""
    venv = f'mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; echo {version} >> made'
    asked = f'case "$*" in --version) echo "Python {version}" ;; "-m venv"*) {venv} ;;'
    script(path, f"{asked} esac")


@pytest.mark.parametrize(
    ("own", "others", "taken"),
    [
        ("3.12", ["3.11", "3.12"], {"evidently": "3.12", "nannyml": "3.12"}),
        ("3.13", ["3.11"], {"evidently": "3.13", "nannyml": "3.11"}),
        ("3.14", ["3.12", "3.13"], {"evidently": "3.13", "nannyml": "3.12"}),
        ("3.14", ["3.13"], {"evidently": "3.13"}),
        ("3.14", ["3.14"], {}),
    ],
)
def test_the_environment_is_made_with_a_python_that_the_tool_supports(
    own: str, others: list[str], taken: dict[str, str], bare: Path, project: Path
) -> None:
    python(bare / ".venv/bin/python", f"{own}.0")
    for version in others:
        python(bare / f"bin/python{version}", f"{version}.1")
    shell = f"SHELL={which('sh')}"
    done = make(bare, READY, str(bare / "bin"), shell)
    tool = next(tool for tool in TOOLS if tool in requirements(project))
    if tool not in taken:
        assert done.returncode == 2
        assert re.fullmatch(
            r"\w+ needs Python 3.11 .*, and none is here.*\n", done.stdout
        )
        assert not (bare / READY).exists()
        return
    said = "Setting up .venv-monitoring ...\n"
    assert (done.returncode, done.stdout) == (0, said), done.stderr
    assert (bare / "made").read_text().startswith(f"{taken[tool]}.")
    make(bare, READY, str(bare / "bin"), shell)
    assert len((bare / "made").read_text().split()) == 1, "once"
    os.utime(bare / "requirements-monitoring.txt", (2e9, 2e9))
    make(bare, READY, str(bare / "bin"), shell)
    assert len((bare / "made").read_text().split()) == 2, "once more where it is older"


def requirements(project: Path) -> str:
    """Return what the report is drawn with."""
    return (project / "requirements-monitoring.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("decided", [0, 1, 2])
@pytest.mark.parametrize("drawn", [0, 1])
@pytest.mark.parametrize("written", [True, False])
def test_the_status_is_the_decisions_and_the_report_is_drawn_of_each(
    decided: int, drawn: int, written: bool, bare: Path
) -> None:
    decision = "mkdir -p out/monitoring; touch out/monitoring/decision.json"
    decide = f"{decision if written else ':'}; exit {decided}"
    where = 'case "$*" in scripts/monitor.py) ' + decide + " ;; -c*) echo out ;; esac"
    script(bare / ".venv/bin/python", where)
    script(bare / ".venv-monitoring/bin/python", f'echo "$@" > drawn; exit {drawn}')
    (bare / READY).touch()
    done = make(bare, "monitor", str(bare / "bin"), f"SHELL={which('sh')}")
    status = decided or (drawn if written else 0)
    assert done.returncode == (2 if status else 0)
    assert (f"Error {status}" in done.stderr) is bool(status)
    assert (bare / "drawn").exists() is written
    if written:
        assert (bare / "drawn").read_text() == f"-W ignore {DRAWS} out/monitoring\n"


# The report itself, drawn by the real tools.


@pytest.fixture(scope="module")
def drawing(project: Path) -> Path:
    """The Python of the environment that the project makes for the report."""
    done = make(project, READY, os.environ["PATH"])
    assert done.returncode == 0, done.stdout + done.stderr
    return project / ".venv-monitoring/bin/python"


def write(python: Path, folder: Path, **options: float) -> None:
    """Write made-up tables and a decision into a folder."""
    command = [python, TEMPLATE / "tests/monitored.py", folder, json.dumps(options)]
    subprocess.run(command, check=True)


CASES = {
    "two classes": ({"classes": 2}, True),
    "three classes": ({"classes": 3}, True),
    "numbers": ({"classes": 0}, True),
    "two classes without labels": ({"classes": 2, "labelled": 0.0}, False),
    "numbers without labels": ({"classes": 0, "labelled": 0.0}, False),
    "one row": ({"classes": 2, "rows": 1, "labelled": 1.0}, False),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_report_shows_the_decision_and_what_the_tables_hold(
    case: str, project: Path, drawing: Path, tmp_path: Path
) -> None:
    options, is_measured = CASES[case]
    write(drawing, tmp_path / "tables", **options)
    command = [drawing, "-W", "ignore", "-c", ALONE, project / DRAWS, "tables"]
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run(command, cwd=tmp_path, env=variables, check=True)
    assert not (tmp_path / "reached").exists(), "somebody was told of it"
    written = {path.name for path in (tmp_path / "tables").iterdir()}
    tables = {"decision.json", "reference.parquet", "window.parquet"}
    assert written == tables | {"report.html"}
    page = (tmp_path / "tables/report.html").read_text(encoding="utf-8")
    assert page.index("<h1>Monitoring: alarm</h1>") < page.index("<td>drift</td>")
    left_out = re.search("Not drawn, as dates or without values: (.*?)[.]<", page)
    assert left_out and {"number 2", "seen at"} <= {*left_out[1].split(", ")}
    for name in ("number 1", "number 4", "category 0", "category 4", "flag"):
        assert name in page.replace(left_out[0], ""), name
    measured = ("Model Performance", "Model Quality", "Realized performance")
    assert any(title in page for title in measured) is is_measured
    assert "<script>alert" not in page
    assert (
        page.count("value 9") < 200
    ), "of a category with many values, the frequent ones"
    assert not re.search(
        r"<(?:script|link|img)[^>]+(?:src|href)=.?(?:https?:)?//", page
    )


@pytest.mark.slow
def test_the_page_opens_without_a_network_and_runs_nobodys_script(
    project: Path, drawing: Path, tmp_path: Path, browser: Browser
) -> None:
    write(drawing, tmp_path / "tables")
    command = [drawing, "-W", "ignore", project / DRAWS, tmp_path / "tables"]
    subprocess.run(command, check=True)
    page = browser.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("dialog", lambda dialog: (seen.append("a script"), dialog.dismiss()))
    page.goto(f"file://{tmp_path}/tables/report.html")
    page.locator(".js-plotly-plot").first.wait_for()
    assert seen == [f"file://{tmp_path}/tables/report.html"]

"""The first minutes of a project: which Python it takes, and how pins are renewed."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.generating import TEMPLATE, answered, generate
from tools import lock

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PROGRAMS = ("awk", "cat", "cp", "grep", "make", "mkdir", "sed", "sh", "test")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the default answers."""
    return generate(tmp_path_factory.mktemp("setup"))


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    """A folder with what `make setup` reads of a project."""
    for name in ("Makefile", ".python-version", ".env.example"):
        (tmp_path / name).write_bytes((generated / name).read_bytes())
    return tmp_path


def script(path: Path, text: str) -> None:
    """Write a program of the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def python(path: Path, version: str) -> None:
    """Write a program that is taken for a Python, and writes down how it was asked."""
    make = f'mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo {version} > made'
    asked = f'case "$*" in --version) echo "Python {version}" ;; "-m venv"*) {make} ;;'
    script(path, f"{asked} esac")


def setup(project: Path, **pythons: str) -> subprocess.CompletedProcess[str]:
    """Run `make setup` where the path holds these Pythons, and no uv."""
    programs = project / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        script(programs / name, f'PATH=/usr/local/bin:/usr/bin:/bin exec {name} "$@"')
    # The shell that make starts has this path, as a person's shell would.
    script(programs / "make", f'exec {which("make")} SHELL={which("sh")} "$@"')
    for name, version in pythons.items():
        python(programs / name.replace("_", "."), version)
    command = [str(programs / "make"), "setup"]
    return subprocess.run(
        command,
        cwd=project,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def which(name: str) -> str:
    """Return where a program of the system is."""
    return next(p for f in ("/usr/bin", "/bin") if Path(p := f"{f}/{name}").exists())


def test_all_files_name_the_same_pythons(generated: Path) -> None:
    offered = answered()["python_version"], *lock.PYTHONS
    assert sorted(set(offered)) == lock.PYTHONS == PYTHONS
    metadata = tomllib.loads((generated / "pyproject.toml").read_text("utf-8"))
    last = int(PYTHONS[-1].removeprefix("3."))
    assert metadata["project"]["requires-python"] == f">=3.11,<3.{last + 1}"
    workflow = (generated / ".github/workflows/tests.yml").read_text("utf-8")
    matrix = yaml.safe_load(workflow)["jobs"]["test"]["strategy"]["matrix"]
    assert matrix == {"python": PYTHONS}
    for name in ("README.md", "Makefile", "AGENTS.md", "docs/deployment.md"):
        text = (generated / name).read_text("utf-8")
        assert f"Python 3.11 to 3.{last}" in text and "or newer" not in re.findall(
            "Python 3.*", text
        )
    own = yaml.safe_load((TEMPLATE / ".github/workflows/tests.yml").read_text("utf-8"))
    steps = [step.get("with", {}) for step in own["jobs"]["full"]["steps"]]
    (installed,) = (s["python-version"] for s in steps if "python-version" in s)
    assert sorted(installed.split()) == PYTHONS


@pytest.mark.parametrize("version", PYTHONS)
def test_setup_takes_the_python_of_the_team(project: Path, version: str) -> None:
    (project / ".python-version").write_text(f"{version}\n")
    chosen = {f"python{version.replace('.', '_')}": f"{version}.7"}
    done = setup(project, python3="3.13.9", **chosen)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert done.stdout == "Ready. Next: make pipeline\n"
    assert (project / "made").read_text() == f"{version}.7\n"


def test_setup_says_so_where_the_python_of_the_team_is_not_there(project: Path) -> None:
    done = setup(project, python3="3.13.9")
    said = "Without Python 3.12, which .python-version asks for: python3 is Python 3.13"
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{said}.9\nReady. Next: make pipeline\n"
    assert (project / "made").read_text() == "3.13.9\n"


@pytest.mark.parametrize("found", ["3.10.4", "3.15.0", "2.7.18", None])
def test_setup_refuses_in_one_line_what_no_pin_supports(
    project: Path, found: str | None
) -> None:
    done = setup(project, **({"python3": found} if found else {}))
    said = "The pinned packages need Python 3.11 to 3.14, and none is here; install 3."
    assert done.returncode
    assert done.stdout == f"{said}12\n"
    assert not (project / "made").exists() and not (project / ".venv").exists()


def test_setup_keeps_the_environment_that_is_there(project: Path) -> None:
    python(project / ".venv/bin/python", "3.14.2")
    done = setup(project, python3_12="3.12.1", python3="3.12.1")
    assert done.returncode == 0, done.stderr
    assert ".venv/bin/python is Python 3.14.2" in done.stdout
    assert not (project / "made").exists()


def test_each_development_requirement_is_pinned() -> None:
    text = (TEMPLATE / "constraints.txt").read_text(encoding="utf-8")
    pins = {canonicalize_name(line.split("==")[0]) for line in text.splitlines()}
    wanted = {canonicalize_name(Requirement(r).name) for r in lock.development()}
    assert wanted <= pins


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of packages: the newest `a` asks for a `b` that is not the newest."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, version, needs in (
        ("a", "1", "b"),
        ("a", "2", "b<2"),
        ("b", "1", None),
        ("b", "2", None),
        ("b", "3", None),
    ):
        wheel = folder / f"{name}-{version}-py3-none-any.whl"
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        about += f"Requires-Dist: {needs}\n" if needs else ""
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{name}-{version}.dist-info/METADATA", about)
            archive.writestr(f"{name}-{version}.dist-info/WHEEL", tag)
            archive.writestr(f"{name}-{version}.dist-info/RECORD", "")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", programs)  # uv is among them
    return folder


def locked(project: Path, generated: Path, how: str) -> int:
    """Renew the pins of a folder that needs `a` and `b`; return the exit status."""
    if how == "of the template":
        try:
            lock.renew(project / "constraints.txt", "a\nb\n")
        except SystemExit:
            return 1
        return 0
    (project / "Makefile").write_bytes((generated / "Makefile").read_bytes())
    (project / "requirements.txt").write_text("-c constraints.txt\n-e .\na\nb\n")
    return subprocess.run(["make", "lock"], cwd=project, check=False).returncode


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("how", ["of the template", "of a project"])
def test_no_pin_goes_down(project: Path, generated: Path, how: str) -> None:
    pins = project / "constraints.txt"
    pins.write_text("a==1\nb==2\n")
    assert locked(project, generated, how) == 0
    assert pins.read_text() == "a==1\nb==3\n"  # not a==2 and b==1
    pins.write_text("a==1\nb==4\n")  # what was withdrawn
    assert locked(project, generated, how)
    assert pins.read_text() == "a==1\nb==4\n"

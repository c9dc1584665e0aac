"""What a team has to own: a default project stays as small as it was promised."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.generating import files, generate

# Lines of Python in all; of it src, by default and with another service; of it that.
LINES, SOURCE_LINES, OTHER_SOURCE_LINES, SERVICE_LINES = 8_500, 5_000, 5_050, 900
FILES = 130
AGENTS_LINES = 70


@pytest.fixture(scope="module", params=["fastapi", "flask", "bentoml"])
def project(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project with the default answers, but for the service."""
    return generate(tmp_path_factory.mktemp("size"), serving=request.param)


def lines(paths: Iterable[Path]) -> int:
    """Return how many lines files have together."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def test_its_python_is_read_in_an_afternoon(project: Path) -> None:
    is_default = "fastapi" in (project / "requirements.txt").read_text("utf-8")
    most = SOURCE_LINES if is_default else OTHER_SOURCE_LINES
    assert lines(project.rglob("*.py")) <= LINES
    assert lines((project / "src").rglob("*.py")) <= most
    assert lines((project / "src/serving").rglob("*.py")) <= SERVICE_LINES


def test_its_files_are_few(project: Path) -> None:
    owned = [p for p in files(project) if not p.startswith(("data/", "LICENSE"))]
    assert len(owned) <= FILES


def test_what_an_assistant_must_know_is_a_page(project: Path) -> None:
    assert lines([project / "AGENTS.md"]) <= AGENTS_LINES

"""Every combination of answers gives a sound project; see tests/combinations."""

import os
import shutil
from pathlib import Path

import pytest
from pathvalidate import validate_filepath
from pytest_cookies.plugin import Cookies

from tests.combinations import miniature
from tests.combinations.answers import TYPED
from tests.combinations.check import check
from tests.combinations.covering import covering_array, pairs, possible_pairs
from tests.combinations.hygiene import python_with_jinja
from tests.combinations.model import FOLDER, Model
from tests.generating import TEMPLATE, files

# A minute on two cores; in time of processors, because others may use them as well.
SECONDS = 120


@pytest.fixture(scope="module")
def model() -> Model:
    """The template of this repository."""
    return Model(TEMPLATE)


def test_every_combination_is_sound() -> None:
    before = sum(os.times()[:4])
    report = check(TEMPLATE)
    print(f"\n{report}")
    assert not report.problems, f"\n{report}"
    assert sum(os.times()[:4]) - before < SECONDS


def test_no_python_file_holds_jinja(model: Model) -> None:
    assert not python_with_jinja(model)


def test_paths_are_safe_on_windows(model: Model) -> None:
    landings = {landing for path in model.paths for landing in model.landings(path)}
    for path in {*model.paths, *landings}:
        validate_filepath(path, platform="universal", max_len=150)
    assert len({path.lower() for path in landings}) == len(landings)
    assert len({path.lower() for path in model.paths}) == len(model.paths)


def test_the_covering_array_holds_every_pair(model: Model) -> None:
    questions = model.questions
    array = covering_array(questions)
    covered = {pair for row in array for pair in pairs(row)}
    assert possible_pairs(questions) <= covered
    assert len(array) < 40, f"{len(array)} rows cover {len(covered)} pairs"


def test_predictions_agree_with_real_projects(model: Model, tmp_path: Path) -> None:
    template = copied(model, tmp_path / "template")

    def output(name: str) -> Path:
        folder = tmp_path / name
        for source in filter(os.path.splitext, TYPED["data_source"]):
            if "://" not in source:
                write_table(folder / source, [*TYPED["target_column"], "age"])
        return folder

    cookies = Cookies(str(template), output, os.environ["COOKIECUTTER_CONFIG"])
    for assignment in covering_array(model.questions):
        result = cookies.bake(extra_context=dict(assignment))
        assert result.exception is None, (assignment, result.exception)
        expected = model.predict(assignment)
        assert files(result.project_path) == set(expected), assignment
        for path, content in expected.items():
            assert (result.project_path / path).read_bytes() == content, path
        folders = {p for p in result.project_path.rglob("*") if p.is_dir()}
        assert all(any(folder.iterdir()) for folder in folders), "an empty folder"


def copied(model: Model, folder: Path) -> Path:
    """Copy the template's own files to a folder, without what tools left among them."""
    shutil.copytree(model.template / "hooks", folder / "hooks")
    shutil.copy(model.template / "cookiecutter.json", folder)
    for path in model.paths:
        (folder / FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(model.folder / path, folder / FOLDER / path)
    return folder


def write_table(file: Path, columns: list[str]) -> None:
    """Write a CSV file of two rows with the given columns."""
    header = ",".join('"' + name.replace('"', '""') + '"' for name in columns)
    rows = [",".join(str(row + n) for n in range(len(columns))) for row in (1, 2)]
    file.parent.mkdir(parents=True)
    file.write_text("\n".join([header, *rows, ""]), encoding="utf-8")


# (file, what stands in it, what is put there instead, what the check must say)
BREAKS = {
    "yaml unbalanced in one branch": (
        "config/settings.yaml",
        "greeting: [warm, hello]",
        "greeting: [warm, hello",
        "config/settings.yaml: while parsing a flow sequence",
    ),
    "quotes of people break yaml": (
        "config/settings.yaml",
        "cookiecutter.__escaped",
        "cookiecutter.project_name",
        "config/settings.yaml: while parsing a block mapping",
    ),
    "answer without quotes in yaml": (
        "config/settings.yaml",
        "greeting: [warm, hello]",
        "greeting: [{{ cookiecutter.greeting }}, hello]",
        "config/settings.yaml: line 3: an answer without quotes [greeting=warm",
    ),
    "answer without quotes among words": (
        ".github/workflows/tests.yml",
        "run: make help",
        "run: make help {{ cookiecutter.ci ~ ' twice' }}",
        ".github/workflows/tests.yml: line 13: an answer without quotes [ci=github",
    ),
    "import of a pruned module": (
        "src/config.py",
        "import yaml\n",
        "import yaml\n\nfrom src.greeting import greet\n",
        "src/config.py: there is no module `src.greeting` [greeting=none]",
    ),
    "import of a name that is not there": (
        "src/greeting.py",
        "import LEVEL",
        "import LEVELS",
        "src/greeting.py: there is no name `src.config.LEVELS` [greeting=warm]",
    ),
    "import without a requirement": (
        "src/config.py",
        "import yaml\n",
        "import pandas\nimport yaml\n",
        "src/config.py: imports `pandas`, which requirements.txt does not name",
    ),
    "requirement that nothing imports": (
        "requirements.txt",
        "pyyaml>=6",
        "numpy>=2\npyyaml>=6",
        "requirements.txt: names `numpy`, which nothing imports or runs",
    ),
    "import of the project where it is not installed": (
        "scripts/monitoring_report.py",
        "import tabulate",
        "import src.config\nimport tabulate",
        "scripts/monitoring_report.py: imports `src`, which its own requirements do not",
    ),
    "requirement of an environment apart that its code does not import": (
        "requirements-monitoring.txt",
        "tabulate",
        "pyyaml>=6,<7\ntabulate",
        "requirements-monitoring.txt: names `pyyaml`, which what is run with it does not",
    ),
    "requirement of an environment apart without a bound": (
        "requirements-monitoring.txt",
        "tabulate>=0.9,<1",
        "tabulate>=0.9",
        "requirements-monitoring.txt: `tabulate>=0.9` is not below the version that may",
    ),
    "make target that is not there": (
        "README.md",
        "The end.",
        "Run `make greet` again.",
        "README.md: there is no make target `greet` [greeting=none]",
    ),
    "prerequisite that nothing makes": (
        "Makefile",
        "greet: requirements.txt",
        "greet: greeting.txt",
        "No rule to make target 'greeting.txt'",
    ),
    "double blank line when two options are off": (
        "README.md",
        "Tests run on GitHub.\n\n{% endif %}",
        "Tests run on GitHub.\n\n{% else %}\n\n{% endif %}",
        "README.md: double blank line [ci=none",
    ),
    "link to a file that is not there": (
        "README.md",
        "(config/settings.yaml)",
        "(config/setting.yaml)",
        "README.md: there is no path `config/setting.yaml`",
    ),
    "command with a syntax error": (
        "README.md",
        "make greet\n",
        "if make greet; then echo hello\n",
        "shellcheck: README.md.bash",
    ),
    "requirement beyond its pin": (
        "requirements.txt",
        "pyyaml>=6",
        "pyyaml>=7",
        "requirements.txt: no pin satisfies `pyyaml>=7`",
    ),
    "path of a pruned file": (
        "README.md",
        "The end.",
        "See `src/greeting.py`.",
        "README.md: there is no path `src/greeting.py` [greeting=none]",
    ),
    "undefined name in python": (
        "src/greeting.py",
        "{LEVEL}",
        "{LEVEL + LOUD}",
        "flake8: src/greeting.py:8:32: F821 undefined name 'LOUD'",
    ),
    "python that black would change": (
        "src/greeting.py",
        'f"Hello at {LEVEL}"',
        "f'Hello at {LEVEL}'",
        "src/greeting.py",
    ),
    "jinja in python": (
        "src/greeting.py",
        "Hello",
        "{{ cookiecutter.greeting }}",
        "src/greeting.py: Jinja in a Python file",
    ),
    "jinja that is left over": (
        "README.md",
        "The end.",
        "{% raw %}{{ cookiecutter.greeting }}{% endraw %}",
        "README.md: `{{` would be left in the project",
    ),
    "question that is not asked": (
        "README.md",
        "cookiecutter.ci",
        "cookiecutter.continuous",
        "README.md: no question or variable 'continuous'",
    ),
    "action that is not pinned": (
        ".github/workflows/tests.yml",
        "@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0",
        "@main",
        "unpinned action reference",
    ),
    "workflow that github would refuse": (
        ".github/workflows/tests.yml",
        "runs-on: ubuntu-latest",
        "run-on: ubuntu-latest",
        "actionlint: .github/workflows/tests.yml",
    ),
    "container that runs as root": (
        "Dockerfile",
        "USER 10001:10001",
        "USER root",
        "hadolint: Dockerfile:4 DL3002",
    ),
    "copy of a file that is not there": (
        "Dockerfile",
        "COPY src ./src",
        "COPY source.txt ./source.txt",
        "Dockerfile: there is no path `source.txt`",
    ),
    "word of a declined choice": (
        "src/config.py",
        "Settings.",
        "Settings for GitHub.",
        "src/config.py: says `GitHub` though ci=github was declined [ci=none]",
    ),
    "variable that nothing reads": (
        ".env.example",
        "MINI_LEVEL=info",
        "MINI_LEVEL=info\nMINI_LEVELS=2",
        ".env.example: `MINI_LEVELS` is a variable that nothing reads",
    ),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small template in which nothing is wrong."""
    template = miniature.write(tmp_path_factory.mktemp("small"))
    report = check(template)
    assert not report.problems, f"\n{report}"
    return template


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_file_is_found(small: Path, tmp_path: Path, name: str) -> None:
    path, old, new, expected = BREAKS[name]
    template = shutil.copytree(small, tmp_path / "broken")
    miniature.change(template, path, old, new)
    found = check(template).lines()
    assert any(expected in line for line in found), found

"""The table of owned files: true to the template, and pruning what it says."""

import re
from pathlib import Path

import pytest

from tests.combinations.model import Model
from tests.combinations.words import words
from tests.generating import (
    FOLDER,
    TEMPLATE,
    answered,
    files,
    generate,
    load_hook,
    questions,
)

HOOK = load_hook("post_gen_project")
QUESTIONS = questions()

SERVICES = [service for service in QUESTIONS["serving"] if service != "none"]

# Each set of answers that the table can be asked with, question by question.
POSSIBLE = {
    **{name: values for name, values in QUESTIONS.items() if isinstance(values, list)},
    "__sample": ["census_income", "bike_sharing", "none"],
    "__compose": ["yes", "no"],
    "__retraining": ["github", "none"],
    "__recording": ["fastapi", "flask", "bentoml", "none", "no service"],
}
ENTRIES = [
    (question, choice, *HOOK.split(entry))
    for question, choices in HOOK.OWNED_PATHS.items()
    for choice, owned in choices.items()
    for entry in owned
]


def expected_files(answers: dict[str, str]) -> set[str]:
    """Return what a project holds, by the words of the table: an independent model."""
    left = set()
    for path in files(FOLDER):
        owners = [
            (answers[question] == choice, landing)
            for question, choice, owned, landing in ENTRIES
            if path == owned or (owned.endswith("/") and path.startswith(owned))
        ]
        landings = [landing for given, landing in owners if given]
        if not owners or any(landing.endswith("/") for landing in landings):
            left.add(path)
        elif landings:
            left.add(landings[0])
    return left


@pytest.mark.parametrize(("question", "choice"), [entry[:2] for entry in ENTRIES])
def test_every_owner_is_an_answer_that_can_be_given(question: str, choice: str) -> None:
    assert choice in POSSIBLE[question]


@pytest.mark.parametrize("path", sorted({entry[2] for entry in ENTRIES}))
def test_every_owned_path_is_in_the_template(path: str) -> None:
    assert (FOLDER / path).is_dir() == path.endswith("/")
    assert (FOLDER / path).exists()


def test_no_file_lands_on_another() -> None:
    for question, choice, path, landing in ENTRIES:
        if path == landing:
            continue
        assert not path.endswith("/"), "only single files change their names"
        assert not (FOLDER / landing).exists(), landing
        rivals = [e for e in ENTRIES if e[3] == landing and e[:2] == (question, choice)]
        assert len(rivals) == 1, rivals
        assert {e[0] for e in ENTRIES if e[3] == landing} == {question}


def test_the_samples_are_those_that_the_questions_lead_to() -> None:
    own = {"data_source": "https://example.com/a.csv", "target_column": "y"}
    samples = [answered(task=task)["__sample"] for task in QUESTIONS["task"]]
    assert [*samples, answered(**own)["__sample"]] == POSSIBLE["__sample"]


def test_predictions_are_recorded_as_the_service_and_its_monitoring_lead_to() -> None:
    watched = {"monitoring": "evidently"}
    found = [answered(serving=s, **watched)["__recording"] for s in SERVICES]
    found += [answered()["__recording"], answered(serving="none")["__recording"]]
    assert found == POSSIBLE["__recording"]


MODEL = Model(TEMPLATE)
DECLINED = {
    question: declined
    for question in MODEL.questions.values
    if (declined := MODEL.questions.declining(question))
}
PROJECTS = {
    "defaults": {},
    "the other sample": {"task": "regression", "license": "Apache-2.0"},
    "everything declined": {
        "license": "Proprietary",
        "data_source": "http://localhost/y.csv",
        "target_column": "y",
        **DECLINED,
    },
}
SAMPLES = "census|bike"  # what the sample's files have in their names


def traces() -> re.Pattern[str]:
    """Return what only the names of files have that a choice brings."""
    brought = words(MODEL).values()
    return re.compile("|".join([*brought, SAMPLES]), re.I)


@pytest.fixture(scope="module", params=PROJECTS)
def project(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """A generated project, and the answers that it was generated with."""
    answers = PROJECTS[request.param]
    folder = tmp_path_factory.mktemp("projects")
    return generate(folder, **answers), answered(**answers)


def test_a_project_holds_what_the_table_says_and_nothing_else(
    project: tuple[Path, dict[str, str]],
) -> None:
    folder, answers = project
    assert files(folder) == expected_files(answers)
    folders = [path for path in folder.rglob("*") if path.is_dir()]
    empty = [path for path in folders if not any(path.iterdir())]
    assert [p for p in empty if files(FOLDER / p.relative_to(folder))] == []


def test_no_file_that_was_declined_is_forgotten_in_the_table(
    project: tuple[Path, dict[str, str]],
) -> None:
    folder, answers = project
    if answers["license"] == "Proprietary":
        assert [path for path in sorted(files(folder)) if traces().search(path)] == []
    assert [path for path in files(folder) if path.startswith("LICENSE")] == ["LICENSE"]


TABLE = {
    "api": {
        "one": ["api/", ("api.one.yaml", "conf/api.yaml")],
        "two": ["api/shared.py"],
    },
    "box": {"yes": ["api/box/", "Boxfile"]},
}


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write small files into a folder, and make it the current one."""
    monkeypatch.chdir(tmp_path)

    def write(*paths: str) -> None:
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(f"from {path}")

    return write


TREE = [
    "api/a.py",
    "api/shared.py",
    "api/box/b.py",
    "api.one.yaml",
    "Boxfile",
    "conf/x",
]


@pytest.mark.parametrize(
    ("api", "box", "left"),
    [
        ("one", "yes", {"api/a.py", "api/shared.py", "api/box/b.py", "Boxfile"}),
        ("one", "no", {"api/a.py", "api/shared.py", "api/box/b.py"}),
        ("two", "yes", {"api/shared.py", "api/box/b.py", "Boxfile"}),
        ("two", "no", {"api/shared.py"}),
        ("none", "yes", {"api/box/b.py", "Boxfile"}),
        ("none", "no", set()),
    ],
)
def test_a_file_stays_if_an_answer_that_was_given_owns_it(
    api: str, box: str, left: set[str], plant, tmp_path: Path
) -> None:
    plant(*TREE)
    HOOK.prune(TABLE, {"api": api, "box": box}, existing=set())
    renamed = {"conf/api.yaml"} if api == "one" else set()
    assert files(tmp_path) == left | renamed | {"conf/x"}
    assert (tmp_path / "api").exists() == any(path.startswith("api/") for path in left)


def test_a_chosen_file_is_renamed_and_not_changed(plant, tmp_path: Path) -> None:
    plant(*TREE)
    HOOK.prune(TABLE, {"api": "one", "box": "no"}, existing=set())
    assert (tmp_path / "conf/api.yaml").read_text() == "from api.one.yaml"


def test_what_was_there_before_stays(plant, tmp_path: Path) -> None:
    plant(*TREE, "conf/api.yaml")
    before = {"api", "api/a.py", "Boxfile", "conf", "conf/api.yaml"}
    HOOK.prune(TABLE, {"api": "one", "box": "no"}, before)
    assert (tmp_path / "conf/api.yaml").read_text() == "from conf/api.yaml"
    assert not (tmp_path / "api.one.yaml").exists()
    HOOK.prune(TABLE, {"api": "none", "box": "no"}, before)
    assert files(tmp_path) == {"api/a.py", "Boxfile", "conf/api.yaml", "conf/x"}


def test_an_empty_folder_that_was_there_before_stays(plant, tmp_path: Path) -> None:
    plant("api/box/b.py")
    HOOK.prune(TABLE, {"api": "none", "box": "no"}, existing={"api"})
    assert [path.name for path in tmp_path.iterdir()] == ["api"]
    assert list((tmp_path / "api").iterdir()) == []


def test_what_lies_behind_a_link_stays(plant, tmp_path: Path) -> None:
    plant("elsewhere/box/b.py", "elsewhere/a.py")
    (tmp_path / "api").symlink_to("elsewhere")
    HOOK.prune(TABLE, {"api": "none", "box": "no"}, existing={"api", "elsewhere"})
    assert files(tmp_path) == {"api", "elsewhere/box/b.py", "elsewhere/a.py"}

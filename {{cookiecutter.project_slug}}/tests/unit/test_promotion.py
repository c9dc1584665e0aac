"""From trained models to a champion, a refusal, or a rollback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import promote as command
from scripts.model_card import card_path, check_card
from scripts.promote import Outcome, promote
from src.data.preprocessing import preprocess
from src.evaluation import report
from src.models.artifact import copy_model
from src.models.registry import Registry
from src.training.train import train
from src.utils.config import ModelSettings, Settings
from src.utils.errors import DataError
from tests.fixtures.synthetic import bring, make_frame, make_settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

STRENGTHS = {"first": 1.0, "equal": 1.0000001, "bad": 0.0001}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project with a linear model of each strength; left as it is."""
    folder = tmp_path_factory.mktemp("trained")
    make_frame("classification", 600).to_csv(folder / "source.csv", index=False)
    settings = make_settings(folder, "classification")
    bring(settings)
    preprocess(settings)
    for name, strength in STRENGTHS.items():
        model = ModelSettings(type="linear", params={"C": strength})
        train(settings.model_copy(update={"model": model}))
        copy_model(folder / "models/latest_model.joblib", folder / f"{name}.joblib")
    return folder


@pytest.fixture
def project(
    trained: Path, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """That project, with a registry and reports of the test's own, without audits."""
    monkeypatch.setattr(command, "run_audits", lambda *_: [])
    monkeypatch.setattr(report, "to_svg", lambda _: "<svg/>")  # drawing takes long
    (tmp_path / "intended_use.md").write_text("To test.\n", "utf-8")
    paths = {"reports": tmp_path, "models": store / tmp_path.name}
    settings = make_settings(
        trained, "classification", registry={"model": tmp_path.name, "cards": tmp_path}
    )
    paths = {**settings.paths.model_dump(), **paths}
    return settings.model_copy(
        update={"paths": settings.paths.model_copy(update=paths)}
    )


def path_of(settings: Settings, name: str) -> Path:
    return Path(settings.data.source).with_name(f"{name}.joblib")


def promoted(settings: Settings, name: str, **options: bool) -> Outcome:
    return promote(path_of(settings, name), settings, "a test", **options)


def champion(settings: Settings) -> int | None:
    version = Registry(settings).at("champion")
    return version.number if version else None


def test_the_first_model_becomes_champion_with_its_evidence(project: Settings) -> None:
    outcome = promoted(project, "first")
    registry = Registry(project)
    version = registry.at("champion")
    assert outcome.promoted and version is not None and outcome.version == version
    evaluation = registry.document(version, "evaluation")
    assert evaluation and evaluation["model"]["sha256"] == version.sha256
    gate = registry.document(version, "gate")
    assert gate and gate["passed"] is True
    assert gate == json.loads((project.paths.reports / "gate.json").read_text("utf-8"))
    event = registry.history()[-1]
    assert (event.action, event.alias, event.version) == ("promote", "champion", 1)
    assert event.why == "a test: all rules of the gate hold"
    page = (project.paths.reports / "evaluation.html").read_text("utf-8")
    assert "Against the baseline" in page
    card = card_path(project).read_text("utf-8")
    for said in ("To test.", version.sha256, "| ROC AUC | 0.", "| city | Oslo | "):
        assert said in card
    assert ": a test: all rules of the gate" in card
    assert check_card(registry, project).endswith("the card of the champion")
    assert promoted(project, "first") == Outcome(None, False, version)  # already
    assert len(registry.history()) == 2


@pytest.fixture
def run(project: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The command, as a function of its arguments."""
    monkeypatch.setattr(command, "settings_from", lambda _: project)

    def run(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["promote.py", *arguments])
        command.main()

    return run


def test_a_worse_model_is_refused_unless_the_refusal_is_overridden(
    project: Settings, run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    promoted(project, "first")
    with pytest.raises(SystemExit, match="^1$"):
        run("--model-path", str(path_of(project, "bad")))
    assert "version 2 is refused: ROC AUC against" in capsys.readouterr().out
    assert champion(project) == 1
    event = Registry(project).history()[-1]
    assert event.action == "reject" and "ROC AUC against the champion" in event.why
    assert "❌" in (project.paths.reports / "gate.md").read_text("utf-8")
    assert promoted(project, "bad", override=True).promoted and champion(project) == 2
    event = Registry(project).history()[-1]
    assert event.action == "promote" and event.why.endswith("promoted all the same")
    assert "promoted all the same" in card_path(project).read_text("utf-8")


def test_a_rollback_brings_champion_and_card_back(
    project: Settings, run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    promoted(project, "first")
    card = card_path(project).read_text("utf-8")
    assert promoted(project, "equal").promoted and champion(project) == 2  # a tie
    assert card_path(project).read_text("utf-8") != card
    with pytest.raises(DataError, match="not the card of the champion; run"):
        card_path(project).write_text(card, "utf-8")
        check_card(Registry(project), project)
    run("--rollback", "--why", "complaints")
    assert "version 1 is the champion again, not 2" in capsys.readouterr().out
    assert champion(project) == 1
    assert card_path(project).read_text("utf-8") == card
    assert Registry(project).history()[-1].why == "complaints"

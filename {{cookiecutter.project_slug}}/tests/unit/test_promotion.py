"""From a trained model to a champion, a refusal, or a rollback."""

import getpass
import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import data_download, deployment, evaluation, model_card
from scripts import promote as command
from src.data import dictionary, preprocessing
from src.data.preprocessing import preprocess
from src.evaluation import pictures, promotion
from src.evaluation.model_card import card_path
from src.evaluation.promotion import Outcome, promote, roll_back
from src.models.directory_registry import DirectoryRegistry
from src.models.registry import make_registry
from src.training import train as training
from src.training.train import train
from src.utils.cli import run
from src.utils.config import GateSettings, ModelSettings, Settings
from src.utils.errors import ConfigError, ModelError
from src.utils.visualization import on_paper
from tests.fixtures.synthetic import TARGET, bring, make_frame, make_settings

BLANK = '<svg style="fill: none"/>'
OWN_WORDS = "## Intended use\n\nTo test, and nothing else.\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project whose linear model is trained; nobody changes it."""
    folder = tmp_path_factory.mktemp("trained")
    make_frame("classification", 600).to_csv(folder / "source.csv", index=False)
    (folder / "cards").mkdir()
    (folder / "cards" / "intended_use.md").write_text(OWN_WORDS, "utf-8")
    settings = make_settings(folder, "classification")
    bring(settings)
    preprocess(settings)
    train(settings)
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project of the test's own whose model is trained and not yet promoted.

    Its pictures are blank: drawing them takes longer than all else, and is tested
    elsewhere.
    """
    monkeypatch.setattr(pictures.draw, "to_svg", lambda _: BLANK)
    folder = tmp_path / "project"
    shutil.copytree(trained, folder)
    registry = {"model": "synthetic", "cards": folder / "cards"}
    return make_settings(folder, "classification", registry=registry)


def with_model(settings: Settings, kind: str, **params: float) -> Settings:
    model = ModelSettings(type=kind, params=params)
    return settings.model_copy(update={"model": model})


def promoted(settings: Settings, why: str = "a test", **options: bool) -> Outcome:
    path = settings.paths.models / "latest_model.joblib"
    return promote(path, settings, why, **options)


def test_the_first_model_becomes_champion_with_its_evidence(project: Settings) -> None:
    outcome = promoted(project, "the first")

    registry = make_registry(project)
    champion = registry.champion()
    assert outcome.promoted and champion is not None
    evaluation = registry.attached(champion, "evaluation")
    assert evaluation and evaluation["model"]["sha256"] == champion.sha256
    register, event = registry.history()
    assert (register.action, event.action) == ("register", "promote")
    assert event.why.startswith("the first: all ")
    assert event.details["gate"]["passed"] is True
    page = (project.paths.reports / "evaluation.html").read_text("utf-8")
    assert "Against the baseline" in page


def test_the_history_says_who_when_why_from_which_to_which_and_by_what_rules(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    promoted(project, "the first")
    train(with_model(project, "linear", C=0.5))

    outcome = promoted(project, "the rows of May")

    event = make_registry(project).history()[-1]
    assert outcome.decision is not None and outcome.decision.notes == []
    assert (event.action, event.who) == ("promote", "ada")
    assert (event.previous, event.version) == (1, 2)
    assert event.why.startswith("the rows of May: all ")
    age = datetime.now(UTC) - datetime.fromisoformat(event.time)
    assert timedelta(0) <= age < timedelta(minutes=5)
    assert event.details["gate"] == outcome.decision.content()
    names = [rule["name"] for rule in event.details["gate"]["rules"]]
    assert names == ["Against the baseline", "ROC AUC against the champion"]

    roll_back(project, "complaints")

    event = make_registry(project).history()[-1]
    assert (event.action, event.previous, event.version) == ("rollback", 2, 1)
    assert (event.who, event.why) == ("ada", "complaints")


def test_what_was_not_measured_is_said_wherever_the_decision_is(
    project: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gate = GateSettings(slice_floors={"roc_auc": 0.1})
    chosen = project.evaluation.model_copy(update={"min_slice_rows": 40})
    settings = project.model_copy(update={"gate": gate, "evaluation": chosen})

    run_command(settings, monkeypatch)

    (note,) = make_registry(settings).history()[-1].details["gate"]["notes"]
    assert note.startswith("ROC AUC was not measured where city is ")
    assert note in capsys.readouterr().out
    for file in ("gate.md", "gate.json", "evaluation.html"):
        assert note in (settings.paths.reports / file).read_text("utf-8")
    assert "ROC AUC was not measured" in card_path(settings).read_text("utf-8")


def test_each_picture_is_drawn_once(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(pictures.draw, "to_svg", lambda f: drawn.append(f) or BLANK)

    promoted(project)

    assert len(drawn) == len(set(map(id, drawn))) == 5
    assert len(list(project.registry.cards.rglob("*.svg"))) == 4


def test_the_champion_again_changes_nothing(project: Settings) -> None:
    promoted(project)
    before = make_registry(project).history()

    outcome = promoted(project)

    assert outcome.decision is None
    assert make_registry(project).history() == before


def test_a_degraded_model_is_refused_and_the_champion_stays(project: Settings) -> None:
    promoted(project)
    train(with_model(project, "linear", C=0.0001))

    outcome = promoted(project)

    registry = make_registry(project)
    champion = registry.champion()
    assert not outcome.promoted and outcome.decision is not None
    assert champion is not None and champion.number == 1
    assert registry.history()[-1].action == "reject"
    assert "ROC AUC against the champion" in registry.history()[-1].why
    assert json.loads((project.paths.reports / "gate.json").read_text("utf-8")) == (
        outcome.decision.content()
    )
    assert "❌" in (project.paths.reports / "gate.md").read_text("utf-8")


def test_bad_new_data_do_not_make_a_champion(project: Settings) -> None:
    promoted(project)
    source = Path(project.data.source)
    rows = pd.read_csv(source)
    labels = rows[TARGET].to_numpy()
    rows[TARGET] = np.random.default_rng(3).permutation(labels)
    rows.to_csv(source, index=False)
    bring_again(project)
    train(project)

    outcome = promoted(project)

    assert outcome.decision is not None and not outcome.promoted
    assert "Against the baseline" in outcome.decision.why


def bring_again(settings: Settings) -> None:
    """Ingest and split the source anew."""
    for file in settings.paths.raw.glob("*"):
        file.unlink()
    bring(settings)
    preprocess(settings)


def test_a_tie_makes_the_newer_model_champion(project: Settings) -> None:
    promoted(project)
    # One step more of the solver changes bits of the model, and no prediction.
    train(with_model(project, "linear", C=1.0000001))

    outcome = promoted(project)

    assert outcome.promoted
    champion = make_registry(project).champion()
    assert champion is not None and champion.number == 2


def test_new_rows_are_said_where_the_champion_is_compared(project: Settings) -> None:
    promoted(project)
    other_split = project.model_copy(update={"seed": project.seed + 1})
    preprocess(other_split)
    train(other_split)

    outcome = promoted(other_split)

    assert outcome.decision is not None
    assert "test rows may be among them" in outcome.decision.notes[-1]


def test_a_champion_that_is_gone_is_no_comparison(project: Settings) -> None:
    promoted(project)
    registry = DirectoryRegistry(project.paths.models / "registry")
    champion = registry.champion()
    assert champion is not None
    registry.fetch(champion).unlink()
    train(with_model(project, "linear", C=0.5))

    outcome = promoted(project)

    assert outcome.decision is not None and not outcome.promoted
    assert "cannot be measured" in outcome.decision.why


def test_an_override_promotes_and_is_written_down(project: Settings) -> None:
    promoted(project)
    train(with_model(project, "linear", C=0.0001))

    outcome = promoted(project, "the columns changed", override=True)

    event = make_registry(project).history()[-1]
    assert outcome.promoted and event.action == "promote"
    assert event.why.startswith("the columns changed")
    assert event.why.endswith("promoted all the same")
    assert event.details["gate"]["passed"] is False
    card = card_path(project).read_text("utf-8")
    assert "promoted all the same.\n" in card and ": does not hold\n" in card
    assert "| Hyperparameters | C = 0.0001 |" in card


def test_a_dry_run_decides_and_changes_no_registry(project: Settings) -> None:
    outcome = promoted(project, dry_run=True)

    assert outcome.decision is not None and outcome.decision.passed
    assert make_registry(project).history() == []
    assert not card_path(project).exists()


def test_without_the_words_of_the_owner_the_champion_does_not_change(
    project: Settings,
) -> None:
    promoted(project)
    train(with_model(project, "linear", C=0.5))
    promoted(project)
    train(with_model(project, "linear", C=0.7))
    before = make_registry(project).history()
    (project.registry.cards / "intended_use.md").unlink()

    for act in (promoted, lambda settings: roll_back(settings, "a test")):
        with pytest.raises(ConfigError, match="intended_use.md: file not found"):
            act(project)

    assert make_registry(project).history() == before


def run_command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> None:
    """Run the promotion, or the check of the card."""
    module = model_card if arguments == ("--check",) else command
    run_main(module, settings, monkeypatch, *arguments)


def run_main(
    module: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> None:
    """Run the command of a module."""
    monkeypatch.setattr(module, "settings_from", lambda _: settings)
    monkeypatch.setattr(sys, "argv", [module.__name__, *arguments])
    module.main()


def test_the_command_ends_with_status_1_for_a_refused_model(
    project: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_command(project, monkeypatch)
    assert "version 1 is the champion" in capsys.readouterr().out
    run_command(project, monkeypatch)
    assert "is the champion already" in capsys.readouterr().out
    train(with_model(project, "linear", C=0.0001))
    with pytest.raises(SystemExit) as ended:
        run_command(project, monkeypatch, "--dry-run")
    assert ended.value.code == 1
    with pytest.raises(SystemExit) as ended:
        run_command(project, monkeypatch)
    assert ended.value.code == 1
    assert "version 2 is refused" in capsys.readouterr().out


def test_a_model_is_no_champion_over_one_that_it_was_not_held_against(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project)
    train(with_model(project, "linear", C=0.5))
    other = project.paths.models / "other.joblib"
    for name in ("latest_model.joblib", "latest_model.json"):
        shutil.copy(project.paths.models / name, other.with_suffix(Path(name).suffix))
    train(with_model(project, "linear", C=0.4))

    def meanwhile(settings: Settings) -> None:
        registry = make_registry(settings)
        registry.promote(registry.register(other, "another job"), "another job")

    monkeypatch.setattr(promotion, "check_owner", meanwhile)
    with pytest.raises(ModelError, match="version 2 has become the champion"):
        promoted(project)

    champion = make_registry(project).champion()
    assert champion is not None and champion.number == 2


def test_a_rollback_brings_champion_and_card_back(
    project: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    promoted(project)
    first = card_path(project).read_text("utf-8")
    train(with_model(project, "linear", C=0.5))
    promoted(project)
    assert card_path(project).read_text("utf-8") != first

    run_command(project, monkeypatch, "--rollback", "--why", "complaints")

    assert "version 1 is the champion again" in capsys.readouterr().out
    assert card_path(project).read_text("utf-8") == first
    assert make_registry(project).history()[-1].why == "complaints"
    with pytest.raises(ModelError, match="no champion before"):
        roll_back(project, "again")


def test_the_card_says_what_there_is_to_say(project: Settings) -> None:
    promoted(project, "for the spring")

    text = card_path(project).read_text("utf-8")

    champion = make_registry(project).champion()
    assert champion is not None and champion.sha256 in text
    assert "To test, and nothing else." in text
    headings = ("Data", "How good it is", "Groups", "Limits", "Lineage", "Gate")
    for heading in headings:
        assert f"## {heading}\n" in text
    assert "| ROC AUC | 0." in text and "| city | Oslo |" in text
    assert "[data dictionary](../data_dictionary.md)" in text
    assert "| Columns that it sees | income, age, city, member, " in text
    assert ": for the spring: all rules of the gate hold.\n" in text
    assert "\n\n\n" not in text


def test_the_pictures_of_the_card_can_be_read_on_a_dark_page(
    project: Settings,
) -> None:
    promoted(project)
    lines = card_path(project).read_text("utf-8").splitlines()
    links = [x.partition("(")[2][:-1] for x in lines if x.startswith("![")]
    names = [Path(link).stem for link in links]
    assert "roc_curve" in names and "calibration" in names
    for link in links:
        assert (project.registry.cards / link).read_text("utf-8") == on_paper(BLANK)


def test_the_card_is_checked_against_the_champion(
    project: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_command(project, monkeypatch, "--check")
    assert "no champion yet, and no card" in capsys.readouterr().out
    promoted(project)
    run_command(project, monkeypatch, "--check")
    old = card_path(project).read_text("utf-8")
    train(with_model(project, "linear", C=0.5))
    promoted(project)
    run_command(project, monkeypatch, "--check")

    card_path(project).write_text(old, "utf-8")
    with pytest.raises(ModelError, match="line 3: found .*version 1.*version 2"):
        run_command(project, monkeypatch, "--check")
    card_path(project).unlink()
    with pytest.raises(ModelError, match="file not found"):
        run_command(project, monkeypatch, "--check")
    roll_back(project, "a test")
    run_command(project, monkeypatch, "--check")


def test_a_champion_that_was_rolled_back_without_its_card_is_found(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project)
    train(with_model(project, "linear", C=0.5))
    promoted(project)
    make_registry(project).rollback("past the command")

    with pytest.raises(ModelError, match="line 3: found .*version 2.*version 1"):
        run_command(project, monkeypatch, "--check")

    run_main(model_card, project, monkeypatch)
    run_command(project, monkeypatch, "--check")


def test_a_card_that_was_edited_by_hand_is_found(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project)
    path = card_path(project)
    text = path.read_text("utf-8")
    edits = {
        "| ROC AUC | 0.": "| ROC AUC | 1.",
        "To test, and nothing else.": "To decide about people.",
        "expected better: holds": "expected better: holds\n- Nice: holds",
        "\n## Limits\n": "\n",
    }
    for old, new in edits.items():
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
        with pytest.raises(ModelError, match=r"line \d+: found .*model_card.py"):
            run_command(project, monkeypatch, "--check")


def test_a_card_without_its_pictures_or_the_new_words_of_its_owner_is_found(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project)
    words = project.registry.cards / "intended_use.md"
    words.write_text(OWN_WORDS + "Not for trains.\n", "utf-8")
    with pytest.raises(ModelError, match="expected 'Not for trains.'"):
        run_command(project, monkeypatch, "--check")
    words.write_text(OWN_WORDS, "utf-8")
    run_command(project, monkeypatch, "--check")
    next(project.registry.cards.glob("images/*/roc_curve.svg")).unlink()
    with pytest.raises(ModelError, match="found .*roc curve"):
        run_command(project, monkeypatch, "--check")


def test_a_card_without_a_champion_is_found(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    card_path(project).write_text("# somebody's card\n", "utf-8")

    with pytest.raises(ModelError, match="the registry has no champion"):
        run_command(project, monkeypatch, "--check")


def test_no_command_changes_the_words_of_the_owner(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.registry.cards / "intended_use.md"
    # As no program of ours would write it.
    words = "## Intended use\r\n\r\nÜber alles  \n\n\n\tno end".encode()
    path.write_bytes(words)
    worse = with_model(project, "linear", C=0.0001)
    steps: list[tuple[Any, Settings, list[str]]] = [
        (data_download, project, []),
        (preprocessing, project, []),
        (dictionary, project, []),
        (training, project, []),
        (evaluation, project, []),
        (command, project, []),
        (training, worse, []),
        (command, worse, ["--override"]),
        (command, worse, ["--rollback"]),
        (model_card, project, []),
        (model_card, project, ["--check"]),
        (deployment, project, []),
    ]
    for module, settings, arguments in steps:
        run_main(module, settings, monkeypatch, *arguments)
        assert path.read_bytes() == words, module.__name__


def test_missing_words_of_the_owner_are_said_in_one_line(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project)
    train(with_model(project, "linear", C=0.5))
    (project.registry.cards / "intended_use.md").unlink()
    steps: list[tuple[Any, list[str]]] = [
        (command, []),
        (command, ["--rollback"]),
        (model_card, []),
        (model_card, ["--check"]),
    ]
    for module, arguments in steps:
        with pytest.raises(SystemExit) as ended:
            run(partial(run_main, module, project, monkeypatch, *arguments))
        said = str(ended.value.code)
        assert "intended_use.md: file not found; say there what the model is" in said
        assert said.startswith("error: ") and "\n" not in said

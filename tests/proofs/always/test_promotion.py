"""What else becomes of a challenger; the team's own tests have the rest."""

import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import promote as command
from src.evaluation import promotion
from src.evaluation.gate import Decision
from src.evaluation.performance import Rule
from src.evaluation.model_card import card_path, check_owner
from src.evaluation.promotion import Outcome, roll_back
from src.models.registry import Registry, Version
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker
from tests.unit.test_promotion import champion, project, promoted, trained

__all__ = ["project", "trained"]  # fixtures

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_dry_run_decides_and_changes_no_registry(project: Settings) -> None:
    outcome = promoted(project, "first", dry_run=True)
    assert outcome.decision is not None and outcome.decision.passed
    assert Registry(project).history() == [] and not card_path(project).exists()


def test_a_champion_of_other_rows_is_compared_with_a_note(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project, "first")
    load = promotion.load_model

    def changed(path: Path) -> Any:
        pipeline, record = load(path)
        record["data"]["files"]["train.csv"]["sha256"] = "other"
        return pipeline, record

    monkeypatch.setattr(promotion, "load_model", changed)
    decision = promoted(project, "equal", dry_run=True).decision
    assert decision is not None and "test rows may be among them" in decision.notes[0]


def test_a_champion_without_a_column_of_the_rows_is_no_comparison(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project, "first")
    load = promotion.load_model

    def other_column(path: Path) -> Any:
        pipeline, record = load(path)
        # It may have gaps; to fill all of it with them would make the champion worse.
        record["schema"]["columns"]["gone"] = {"type": "number", "max_missing": 1.0}
        return pipeline, record

    monkeypatch.setattr(promotion, "load_model", other_column)
    decision = promoted(project, "equal", dry_run=True).decision
    assert decision is not None and not decision.passed
    assert "they lack its columns ['gone']" in decision.why


def test_a_decision_that_cannot_be_recorded_says_what_was_done(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("no server")

    monkeypatch.setattr(promotion, "add_to_run", fail)
    with pytest.raises(DataError, match="no server; .* version 1 is passed all the"):
        promoted(project, "first")
    assert Registry(project).at("champion") is not None


def test_what_was_not_measured_is_said_wherever_the_decision_is(
    project: Settings,
) -> None:
    gate = project.gate.model_copy(update={"slice_floors": {"roc_auc": 0.1}})
    settings = project.model_copy(update={"gate": gate})
    decision = promoted(settings, "first").decision
    assert isinstance(decision, Decision)
    (note,) = decision.notes
    assert note.startswith("ROC AUC was not measured where city is ")
    for file in ("gate.json", "evaluation.html"):
        assert note in (settings.paths.reports / file).read_text("utf-8")
    assert "ROC AUC was not measured" in card_path(settings).read_text("utf-8")


def test_a_champion_that_cannot_be_measured_is_no_comparison(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project, "first")

    def fetch(self: Registry, version: object) -> Path:
        raise DataError("gone")

    monkeypatch.setattr(Registry, "fetch", fetch)
    decision = promoted(project, "equal", dry_run=True).decision
    assert decision is not None and not decision.passed
    assert "cannot be measured on these rows: gone" in decision.why


def test_without_the_words_of_the_owner_nothing_changes(project: Settings) -> None:
    promoted(project, "first")
    (project.registry.cards / "intended_use.md").unlink()
    with pytest.raises(ConfigError, match="intended_use.md: file not found"):
        promoted(project, "equal")
    with pytest.raises(ConfigError, match="intended_use.md: file not found"):
        roll_back(project, "a test")
    assert len(Registry(project).history()) == 2


def test_a_model_is_no_champion_over_one_that_it_was_not_compared_with(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(project, "first")

    def meanwhile(settings: Settings) -> None:
        monkeypatch.setattr(promotion, "check_owner", check_owner)
        promoted(settings, "bad", override=True)

    monkeypatch.setattr(promotion, "check_owner", meanwhile)
    with pytest.raises(DataError, match="version 2"):
        promoted(project, "equal")
    assert champion(project) == 2


def test_the_command_says_what_became_of_the_model_and_fails_for_a_refusal(
    make_project: ProjectMaker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings, version = make_project(), Version(2, "abc")
    monkeypatch.setattr(command, "settings_from", lambda _: settings)
    passed = Decision([Rule("ROC AUC", "0.8", "at least 0.7", True)], [])
    refused = Decision([Rule("ROC AUC", "0.6", "at least 0.7", False)], ["A note."])
    for outcome, options, status, said in (
        (Outcome(None, False, version), "", 0, "version 2 is the champion already"),
        (Outcome(passed, True, version), "", 0, "version 2 is the champion\nnext: rev"),
        (Outcome(refused, True, version), "--override", 0, "2 is the champion\n"),
        (Outcome(refused, False, version), "", 1, "2 is refused: ROC AUC: 0.6, expec"),
        (Outcome(passed, False, None), "--dry-run", 0, "would pass the gate; nothing"),
        (Outcome(refused, False, None), "--dry-run", 1, "A note.\n\nthe model would n"),
    ):
        asked: dict[str, bool] = {}
        monkeypatch.setattr(
            command, "promote", lambda *_, **how: asked.update(how) or outcome
        )
        monkeypatch.setattr(sys, "argv", ["promote.py", *options.split()])
        ended = 0
        try:
            command.main()
        except SystemExit as error:
            ended = error.code
        assert ended == status and said in capsys.readouterr().out
        assert asked == {k: k[:3] in options for k in ("override", "dry_run")}

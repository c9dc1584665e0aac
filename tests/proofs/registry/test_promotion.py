"""What else becomes of a challenger; the team's own tests have the rest."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import promote as command
from scripts.model_card import card_path, check_owner
from scripts.promote import Outcome, promote, roll_back
from src.data.preprocessing import preprocess
from src.data.schema import DataSchema, write_schema
from src.evaluation import report
from src.evaluation.gate import Decision
from src.evaluation.performance import Rule
from src.models.registry import Registry, Version
from src.training.train import ModelTrainer, train
from src.utils.config import ModelSettings, Settings
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring, make_frame, make_settings
from tests.unit.test_promotion import champion, project, promoted, trained

__all__ = ["project", "trained"]  # fixtures

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_dry_run_decides_and_changes_no_registry(project: Settings) -> None:
    outcome = promoted(project, "first", dry_run=True)
    assert outcome.decision is not None and outcome.decision.passed
    assert Registry(project).history() == [] and not card_path(project).exists()


OTHER = ModelSettings(type="linear", params={"C": 0.5})


class Team:
    """Brings rows, trains on them, and promotes the model if it may be."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = Path(settings.data.source).parent

    def decide(
        self,
        frame: pd.DataFrame,
        ignored: tuple[str, ...] = (),
        over_champion: str | None = None,
        **named: object,
    ) -> Decision:
        """Return the decision; ``named`` is what the schema has beside columns."""
        settings = self.settings
        frame.to_csv(settings.data.source, index=False)
        content = bring(settings).model_dump() | named
        columns = content["columns"]
        content["columns"] = {n: columns[n] for n in columns if n in frame}
        for name in ignored:
            content["columns"][name]["role"] = "ignored"
        schema = DataSchema.model_validate(content)
        write_schema(schema, settings.data.schema_path)
        preprocess(settings)
        train(settings)
        return self.promote(over_champion)

    def promote(self, over_champion: str | None = None) -> Decision:
        """Return the decision on the model that is there."""
        model = self.settings.paths.models / "latest_model.joblib"
        outcome = promote(model, self.settings, "new", over_champion=over_champion)
        assert outcome.decision is not None
        return outcome.decision


@pytest.fixture
def team(
    make_project: ProjectMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Team:
    monkeypatch.setattr(command, "run_audits", lambda *_: [])
    monkeypatch.setattr(report, "to_svg", lambda _: "<svg/>")  # drawing takes long
    (tmp_path / "intended_use.md").write_text("To test.\n", "utf-8")
    return Team(make_project(registry={"cards": tmp_path}))


def test_a_champion_is_not_asked_about_rows_that_it_was_trained_on(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, asked = make_frame("classification", 900), []
    known: list[set[tuple[Any, ...]]] = []
    predict, fit = command.predict, ModelTrainer.preprocess

    def spy_predict(pipeline: object, rows: pd.DataFrame, *others: Any) -> Any:
        asked.append({*rows[["income", "age", "signed up"]].itertuples(index=False)})
        return predict(pipeline, rows, *others)

    def spy_fit(self: ModelTrainer, rows: pd.DataFrame) -> Any:
        known.append({*rows[["income", "age", "signed up"]].itertuples(index=False)})
        return fit(self, rows)

    monkeypatch.setattr(command, "predict", spy_predict)
    monkeypatch.setattr(ModelTrainer, "preprocess", spy_fit)
    team.decide(frame.head(800))
    decision = team.decide(
        frame.sample(frac=1, random_state=3)
    )  # grown, in another order
    assert decision.passed
    (rows,) = asked
    assert rows and not any(rows & of for of in known)
    note = next(n for n in decision.notes if n.startswith("Measured beside"))
    assert f"on {len(rows)} of {len(rows)} test rows" in note


def test_a_champion_with_another_seed_is_asked_about_the_rows_that_neither_knows(
    team: Team,
) -> None:
    frame = make_frame("classification", 900)
    team.decide(frame)
    team.settings = team.settings.model_copy(update={"seed": 1})
    decision = team.decide(frame)
    (note,) = decision.notes
    found = re.search(r"on ([0-9]+) of ([0-9]+) test rows", note)
    assert found and 0 < int(found[1]) < 0.4 * int(found[2])


def test_a_champion_is_measured_by_the_columns_that_it_takes(team: Team) -> None:
    frame = make_frame("classification", 900)
    first = team.decide(frame)
    decision = team.decide(frame, ignored=("income", "member"))
    assert first.passed and not decision.passed
    found = re.search("ROC AUC against the champion: (-[0-9.]+)", decision.why)
    # Blank columns would have made the champion as bad as the model without them.
    assert found and float(found[1]) < -0.1


@pytest.mark.parametrize("why", [None, "the supplier dropped the column"])
def test_a_champion_whose_column_is_gone_asks_for_a_decision(
    team: Team, why: str | None
) -> None:
    frame = make_frame("classification", 900)
    team.decide(frame)
    decision = team.decide(frame.drop(columns="age"), over_champion=why)
    assert decision.passed is (why is not None)
    found = "not compared with version 1, as the rows lack its columns ['age']"
    assert any(found in text for text in (*decision.notes, decision.why))
    event = Registry(team.settings).history()[-1]
    assert event.action == ("promote" if why else "reject")
    said = "over the champion: the supplier" if why else "or --over-champion WHY"
    assert said in event.why


def test_by_time_a_champion_is_asked_about_what_came_after_its_rows(
    team: Team,
) -> None:
    frame = make_frame("classification", 1200)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(1200), "D")
    frame["signed up"] = days.strftime("%Y-%m-%d")
    by_time = {"time_columns": ["signed up"]}
    team.decide(frame.head(1000), **by_time)  # trained on 800
    decision = team.decide(frame, **by_time)  # tested on the last 240
    assert "beside the champion on 240 of 240 test rows" in decision.notes[0]


def test_the_settings_of_the_trainings_divide_the_rows_and_not_later_ones(
    team: Team,
) -> None:
    frame = make_frame("classification", 900)
    team.decide(frame)
    team.settings = team.settings.model_copy(update={"model": OTHER})
    train(team.settings)
    split = {"split": {"test_size": 0.5}}
    later = make_settings(team.folder, "classification", preprocessing=split, seed=9)
    update = {"preprocessing": later.preprocessing, "seed": later.seed}
    team.settings = team.settings.model_copy(update=update)
    (note,) = team.promote().notes
    found = re.search(r"on ([0-9]+) of ([0-9]+) test rows", note)
    assert found and found[1] == found[2] and int(found[1]) < 250


def test_rows_that_an_older_version_divided_are_no_comparison(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = make_frame("classification", 600)
    team.decide(frame)
    load = command.load_model

    def older(path: Path) -> Any:
        pipeline, record = load(path)
        del record["data"]["trained_until"]
        return pipeline, record

    monkeypatch.setattr(command, "load_model", older)
    team.settings = team.settings.model_copy(update={"model": OTHER})
    assert "an older version of this code divided the rows" in team.decide(frame).why


def test_a_champion_that_knows_all_test_rows_is_no_comparison(team: Team) -> None:
    frame = make_frame("classification", 600)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(600), "D")
    frame["signed up"] = days.strftime("%Y-%m-%d")
    team.decide(frame, time_columns=["signed up"])  # trained on 480
    decision = team.decide(frame.head(400), time_columns=["signed up"])
    assert not decision.passed
    assert "it was trained on all test rows" in decision.why


def test_a_decision_that_cannot_be_recorded_says_what_was_done(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("no server")

    monkeypatch.setattr(command, "add_to_run", fail)
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
    assert "not compared with version 1, as gone" in decision.why


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
        monkeypatch.setattr(command, "check_owner", check_owner)
        promoted(settings, "bad", override=True)

    monkeypatch.setattr(command, "check_owner", meanwhile)
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
        asked: dict[str, Any] = {}
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
        assert asked.pop("over_champion") is None
        assert asked == {k: k[:3] in options for k in ("override", "dry_run")}

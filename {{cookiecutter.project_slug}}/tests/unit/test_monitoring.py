"""What is kept of predictions, which changes are alarms, and what becomes of labels."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame, Series, concat, read_parquet
from pyarrow import parquet
from pydantic import ValidationError

from scripts import monitor as monitor_command
from scripts import retrain as retrain_command
from scripts.labels import add_labels
from scripts.monitor import monitor
from scripts.retrain import MARK, alone, needs, reasons, resting, retrain
from src.data.columns import Column
from src.data.preprocessing import load_processed
from src.data.schema import load_schema, write_schema
from src.evaluation.metrics import Predictions
from src.models.artifact import load_model
from src.models.registry import Registry
from src.monitoring.drift import Check, categories, check_features, decide, numbers
from src.monitoring.labels import Labels
from src.monitoring.performance import estimated
from src.monitoring.prediction_log import DROPPED, PredictionLog
from src.monitoring.settings import AlarmSettings, RetrainingSettings
from src.serving.schemas import row_model, values_of
from src.utils.config import ModelSettings, Settings
from src.utils.errors import ConfigError, DataError
from src.utils.logging import REQUEST_ID
from tests.conftest import ProjectMaker
from tests.fixtures.serving import ROW as SENT
from tests.fixtures.serving import SCHEMA, made_up_model, served_settings
from tests.fixtures.synthetic import TARGET, train_model

# Libraries below the registry ask each other for what they are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
LIMITS = AlarmSettings()
(ROW,) = values_of(row_model(SCHEMA).model_validate(SENT))
FEATURES = {name: ROW[name] for name in SCHEMA.features}
ANSWER = {"prediction": "yes", "probabilities": {"no": 0.25, "yes": 0.75}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a service that has a data schema alone."""
    return served_settings(tmp_path)


def configure(settings: Settings, text: str) -> None:
    """Write the configuration of the monitoring beside the data schema."""
    path = settings.data.schema_path.with_name("monitoring_config.yaml")
    path.write_text(text, encoding="utf-8")


def logged(settings: Settings, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let a log write down rows that were answered with yes, and return what it has."""
    log = PredictionLog(settings, SCHEMA)
    log.add("3", rows, [ANSWER] * len(rows))
    log.close()
    (path,) = (settings.paths.data / "predictions").glob("*/*.parquet")
    lines: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return lines


def test_the_log_has_what_was_asked_and_answered(settings: Settings) -> None:
    REQUEST_ID.set("abc")
    first, second = logged(settings, [ROW | {"signed up": None}, ROW | {"age": 10**30}])
    assert (first["request_id"], first["row"], second["row"]) == ("abc", 0, 1)
    assert first["features"] == FEATURES | {"signed up": None}
    assert second["features"]["age"] == 1e30
    assert first["prediction"] == "yes"
    assert dict(first["probabilities"]) == ANSWER["probabilities"]
    assert first["model_version"] == "3"


def test_personal_columns_are_not_written_down(settings: Settings) -> None:
    configure(settings, "log: {personal: [income, city]}")
    kept = logged(settings, [ROW])[0]["features"].keys()
    assert kept == FEATURES.keys() - {"income", "city"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("log: {personal: [incme]}", r"log.personal: found \['incme'\]"),
        ("alarm: {unchecked: [incme]}", r"alarm.unchecked: found \['incme'\]"),
        ("log: {personal: [city], key: city}", "log.key: 'city' is in log.personal"),
    ],
)
def test_a_column_that_cannot_be_meant_is_named(
    settings: Settings, text: str, told: str
) -> None:
    configure(settings, text)
    with pytest.raises(ConfigError, match=told):
        PredictionLog(settings, SCHEMA)


def test_what_finds_the_queue_full_is_dropped_and_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(settings, "log: {queue_requests: 1}")
    monkeypatch.setattr(PredictionLog, "_run", lambda _: None)  # nobody writes
    log, before = PredictionLog(settings, SCHEMA), DROPPED._value.get()
    for _ in range(3):
        log.add("3", [ROW, ROW], [ANSWER, ANSWER])
    assert DROPPED._value.get() == before + 4


def test_the_rows_of_a_table_that_is_answered_are_numbered_through(
    settings: Settings,
) -> None:
    log = PredictionLog(settings, SCHEMA)
    with log.recorded(made_up_model()) as model:
        model.predict([ROW, ROW])
        model.predict([ROW])
    with pytest.raises(ValueError, match="row 2"):
        with log.recorded(made_up_model()) as model:  # what is refused is not answered
            model.predict([ROW])
            raise ValueError("row 2 is wrong")
    log.close()
    (path,) = (settings.paths.data / "predictions").glob("*/*.parquet")
    assert parquet.read_table(path)["row"].to_pylist() == [0, 1, 2]


def test_old_files_are_deleted(settings: Settings) -> None:
    folder = settings.paths.data / "predictions"
    kept, old = (f"{date.today() - timedelta(days=days)}" for days in (80, 100))
    for name in (kept, old):
        (folder / name).mkdir(parents=True)
    logged(settings, [ROW])
    assert (folder / kept).exists() and not (folder / old).exists()


def test_a_shift_is_an_alarm_and_chance_is_none() -> None:
    random = np.random.default_rng(0)
    old = Series(random.normal(0, 1, 1000))
    new = old.sample(500, random_state=0)
    assert not decide([numbers("drift", "x", old, new, LIMITS)], 0.05)[0].alarm
    assert decide([numbers("drift", "x", old, new + 0.5, LIMITS)], 0.05)[0].alarm
    old = Series(np.array(["a", "b", "c"])[random.integers(3, size=1000)])
    new = old.sample(500, random_state=0)
    assert not decide([categories("drift", "x", old, new, LIMITS)], 0.05)[0].alarm
    new = new.mask(new == "a", "b")
    found = categories("drift", "x", old, new, LIMITS)
    assert decide([found], 0.05)[0].alarm
    assert found.effect == pytest.approx(1 / 3, abs=0.05)


def test_many_checks_share_the_rate_and_small_effects_are_none() -> None:
    def check(p_value: float, effect: float = 0.5) -> Check:
        return Check("drift", "x", "", "", effect, 0.05, p_value)

    alarms = [c.alarm for c in decide([check(0.02), check(0.03), check(0.9)], 0.05)]
    assert alarms == [False, False, False]
    alarms = [c.alarm for c in decide([check(0.03), check(0.01), check(0.02)], 0.05)]
    assert alarms == [True, True, True]
    assert not decide([check(0.0001, effect=0.04)], 0.05)[0].alarm


def test_what_moves_on_by_itself_is_checked_for_missing_values_alone() -> None:
    random = np.random.default_rng(0)
    old = DataFrame({"income": random.normal(50, 9, 500), "age": range(500)})
    new = old.assign(age=old["age"] + 1000, income=old["income"].mask(old["age"] < 99))
    schema = SCHEMA.model_copy(update={"time_columns": ["age"]})
    for unchecked, wanted in (([], True), (["income"], False)):
        limits = LIMITS.model_copy(update={"unchecked": unchecked})
        found = {(c.check, c.column) for c in check_features(old, new, schema, limits)}
        assert ("missing", "income") in found
        assert (("drift", "income") in found) is wanted
        assert not any(column == "age" for _, column in found)


def test_performance_is_estimated_from_how_sure_the_model_is() -> None:
    random = np.random.default_rng(0)
    share = random.random(4000)
    truth = np.where(random.random(4000) < share, "yes", "no").astype(object)
    parts = np.split(np.arange(4000), [2000])
    said = Predictions(
        *("classification", truth, truth),
        np.column_stack([1 - share, share]),
        ("no", "yes"),
    )
    unsure = np.clip(share[2000:], 0.4, 0.6)
    now = Predictions(
        *("classification", truth[2000:], truth[2000:]),
        np.column_stack([1 - unsure, unsure]),
        ("no", "yes"),
    )
    before, same = estimated(said.take(parts[0]), said.take(parts[1]), seed=0)
    assert same.value == pytest.approx(before.value, abs=0.02)
    assert estimated(said.take(parts[0]), now, seed=0)[1].value < same.value - 0.1


@pytest.fixture
def promoted(make_project: ProjectMaker) -> Settings:
    """A project with a champion."""
    settings = make_project("classification", 2000)
    registry = Registry(settings)
    version = registry.register(train_model(settings))
    registry.promote(version, "the first", None)
    settings.registry.cards.mkdir()
    (settings.registry.cards / "intended_use.md").write_text("To test.\n", "utf-8")
    return settings


def answer(settings: Settings, rows: DataFrame, version: str = "1") -> None:
    """Let the champion answer rows, one request each, as a service would."""
    pipeline, _ = load_model(settings.paths.models / "latest_model.joblib")
    schema = load_schema(settings.data.schema_path)
    row, log = row_model(schema), PredictionLog(settings, schema)
    shares, names = pipeline.predict_proba(rows), pipeline.classes_
    for number, sent in enumerate(rows[schema.features].to_dict("records")):
        REQUEST_ID.set(f"request-{number}")
        best = names[shares[number].argmax()]
        found = {"prediction": best, "probabilities": dict(zip(names, shares[number]))}
        log.add(version, values_of(row.model_validate(sent)), [found])
    log.close()


def tell(settings: Settings, truth: Column) -> str:
    """Tell what became true of the rows that were answered, in their order."""
    path = settings.paths.data / "labels.csv"
    ids = [f"request-{number}" for number in range(len(truth))]
    labels = DataFrame({"request_id": ids, TARGET: truth.to_numpy()})
    labels.to_csv(path, index=False)
    return add_labels(path, settings)


def test_rows_as_before_are_calm_and_others_an_alarm(promoted: Settings) -> None:
    rows = load_processed(promoted, "test")
    answer(promoted, rows)
    assert monitor(promoted)["verdict"] == "calm"
    answer(promoted, rows.assign(age=rows["age"] + 30))
    decision = monitor(promoted)
    assert decision["verdict"] == "alarm"
    assert "drift of 'age'" in decision["told"]
    folder = promoted.paths.reports / "monitoring"
    gauges = (folder / "metrics.prom").read_text()
    assert 'monitoring_alarm{check="drift",column="age"} 1.0' in gauges
    assert len(read_parquet(folder / "window.parquet")) == decision["rows"]


def test_few_rows_decide_nothing_and_no_log_is_said(promoted: Settings) -> None:
    with pytest.raises(DataError, match="no predictions"):
        monitor(promoted)
    answer(promoted, load_processed(promoted, "test").head(50))
    assert monitor(promoted)["verdict"] == "not decidable"


@pytest.fixture
def run(promoted: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A command of that project, as a function that returns its status."""

    def run(command: ModuleType, *arguments: str, **changed: Any) -> int:
        settings = promoted.model_copy(update=changed)
        monkeypatch.setattr(command, "settings_from", lambda _: settings)
        monkeypatch.setattr("sys.argv", ["command.py", *arguments])
        try:
            command.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


def test_the_status_says_what_was_decided(
    promoted: Settings, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monitor_command) == 2
    assert "no predictions" in capsys.readouterr().err
    rows = load_processed(promoted, "test")
    answer(promoted, rows.head(50))
    assert run(monitor_command) == 2
    assert "not decidable: 50 rows of 200" in capsys.readouterr().out
    answer(promoted, rows)
    assert run(monitor_command) == 0
    answer(promoted, rows.assign(age=rows["age"] + 30))
    assert run(monitor_command) == 1
    assert "alarm: drift of 'age'" in capsys.readouterr().out


def test_a_mistake_in_the_configuration_is_no_alarm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["monitor.py", "--config", "nowhere.yaml"])
    with pytest.raises(SystemExit, match="^2$"):
        monitor_command.main()
    assert "error: nowhere.yaml" in capsys.readouterr().err


def test_labels_tell_how_good_the_answers_are(promoted: Settings) -> None:
    rows = load_processed(promoted, "test")
    answer(promoted, rows)
    assert f"{len(rows)} labels" in tell(promoted, rows[TARGET])
    assert monitor(promoted)["performance"] == f"measured on {len(rows)} labels"
    tell(promoted, rows[TARGET].map({"yes": "no", "no": "yes"}))  # it was wrong
    assert "performance of 'roc_auc'" in monitor(promoted)["told"]


def test_a_wrong_label_is_named_and_none_is_taken(promoted: Settings) -> None:
    path = promoted.paths.data / "labels.csv"
    path.write_text(f"request_id,row,{TARGET}\nabc,0,yes\nabc,1,\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"row 1: {TARGET}: .*no label was taken"):
        add_labels(path, promoted)
    assert not (promoted.paths.data / "predictions/labels").exists()


def test_a_key_that_is_missing_is_no_key(settings: Settings) -> None:
    configure(settings, "log: {key: comment}")
    model = Labels(settings, SCHEMA).model
    assert model(**{"comment": 7.0, TARGET: "yes"}).model_dump()["key"] == "7"
    for wrong in (None, np.nan, [1], ""):
        with pytest.raises(ValidationError, match="comment"):
            model(**{"comment": wrong, TARGET: "yes"})


def test_a_number_that_the_data_schema_forbids_is_no_label(settings: Settings) -> None:
    age = SCHEMA.columns["age"].model_copy(update={"role": "target"})
    columns = SCHEMA.columns | {"age": age}
    columns[TARGET] = columns[TARGET].model_copy(update={"role": "ignored"})
    model = Labels(settings, SCHEMA.model_copy(update={"columns": columns})).model
    assert model(request_id="a", age="40").model_dump()["label"] == 40
    for wrong in (-5, 12.5, None, "young"):
        with pytest.raises(ValidationError, match="age"):
            model(request_id="a", age=wrong)


def test_drift_performance_time_and_labels_are_reasons_to_retrain() -> None:
    def alarm(check: str) -> Check:
        return Check(check, "age", "1", "2", 0.5, 0.05, 0.0, True)

    chosen, young = RetrainingSettings(), timedelta(days=1)
    for check in ("drift", "prediction drift", "performance", "estimated performance"):
        assert reasons(chosen, [alarm(check)], young, 0)
    for check in ("missing", "new values", "out of range"):  # bad data teach nothing
        assert not reasons(chosen, [alarm(check)], young, 0)
    drifted = [alarm("drift")]
    assert not reasons(RetrainingSettings(alarms=["performance"]), drifted, young, 0)
    assert "31 days" in reasons(chosen, [], timedelta(days=31), 0)[0]
    assert reasons(chosen, [], young, 1000) == ["1000 new labels"]
    never = RetrainingSettings(every_days=None, new_labels=None)
    assert not reasons(never, [], timedelta(days=999), 10**6)


def test_between_two_retrainings_some_time_passes(promoted: Settings) -> None:
    now = datetime.now(UTC)
    ago = (now - timedelta(hours=3)).isoformat()
    by_hand = Registry(promoted).history()[-1]._replace(time=ago)
    refused = by_hand._replace(action="reject", why=f"{MARK}drift")
    assert resting([by_hand, refused], now, hours=4)
    assert not resting([by_hand, refused], now, hours=2)
    assert not resting([by_hand], now, hours=4)


def test_a_drift_is_learned_from_labelled_predictions_once(promoted: Settings) -> None:
    configure(promoted, "{window: {min_rows: 100}, retraining: {cooldown_hours: 0}}")
    rows = load_processed(promoted, "test")
    rows = concat([rows, load_processed(promoted, "train").head(600)])
    answer(promoted, rows.assign(age=rows["age"] + 30))
    tell(promoted, rows[TARGET])
    reason, *_ = needs(promoted)
    assert "drift of 'age'" in reason
    outcome = retrain(promoted, reason, again=False)
    assert outcome and outcome.promoted
    registry = Registry(promoted)
    assert registry.history()[-1].why.startswith(f"{MARK}drift of 'age'")
    files = registry.record(registry.versions()[-1])["data"]["files"].values()
    assert sum(file["rows"] for file in files) == 2000 + len(rows)
    answer(promoted, rows.assign(age=rows["age"] + 30), version="2")
    assert monitor(promoted)["verdict"] == "calm"  # it is as the new test rows are
    assert retrain(promoted, reason, again=False) is None


def test_nothing_is_trained_without_a_reason_or_beside_another_retraining(
    promoted: Settings, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    answer(promoted, load_processed(promoted, "test"))
    assert run(retrain_command, "--if-needed") == 0
    assert re.fullmatch(r"calm: .*\nno retraining\n", capsys.readouterr().out)
    with alone(promoted), pytest.raises(DataError, match="another retraining"):
        run(retrain_command)
    assert [version.number for version in Registry(promoted).versions()] == [1]


def test_what_the_gate_refuses_is_said_and_the_champion_stays(
    promoted: Settings, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ModelSettings(type="linear", params={"C": 0.0001})
    assert run(retrain_command, "--why", "a trial", model=bad) == 1
    assert "version 2 is refused: ROC AUC against" in capsys.readouterr().out
    registry = Registry(promoted)
    assert registry.history()[-1].why.startswith(f"{MARK}a trial")
    champion = registry.at("champion")
    assert champion and champion.number == 1


def test_alarms_of_a_version_that_is_not_the_champion_are_no_reason(
    promoted: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = load_processed(promoted, "test")
    answer(promoted, rows.assign(age=rows["age"] + 30))
    assert needs(promoted)
    registry = Registry(promoted)
    other = ModelSettings(type="dummy")
    second = registry.register(
        train_model(promoted.model_copy(update={"model": other}))
    )
    registry.promote(second, "the second", registry.at("champion"))
    assert not needs(promoted)
    assert "version 1 answered, which is not the champion" in capsys.readouterr().out


def test_a_category_that_is_not_listed_is_left_out_and_said(
    promoted: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = load_processed(promoted, "test").reset_index(drop=True)
    path = promoted.data.schema_path
    schema = load_schema(path)
    listed = {"values": ["Oslo", "Lima", "Cairo"]}
    schema.columns["city"] = schema.columns["city"].model_copy(update=listed)
    write_schema(schema, path)
    answer(promoted, rows.assign(city=rows["city"].where(rows.index > 0, "Rome")))
    tell(promoted, rows[TARGET])
    retrain(promoted, "by hand")
    told = "left out: 1 labelled predictions with 'city' 'Rome', against the data"
    assert told in capsys.readouterr().out


def test_what_the_log_lacks_cannot_be_learned(promoted: Settings) -> None:
    configure(promoted, "log: {personal: [income]}")
    rows = load_processed(promoted, "test")
    answer(promoted, rows)
    tell(promoted, rows[TARGET])
    with pytest.raises(DataError, match=r"lacks columns .*\['income'\]"):
        retrain(promoted, "by hand")

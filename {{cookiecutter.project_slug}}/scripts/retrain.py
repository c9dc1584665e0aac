"""Train again, on the data and on predictions whose labels have arrived.

    python scripts/retrain.py --why "the rows of May"
    python scripts/retrain.py --if-needed

With ``--if-needed`` it looks first, as ``scripts/monitor.py`` does, and trains only for
what ``retraining`` of ``config/monitoring_config.yaml`` names. The gate decides whether
the model becomes the champion, and the registry keeps why it was trained. The status is
1 if the gate refuses it. What was killed can be run again.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from filelock import FileLock, Timeout
from pandas import DataFrame, Series, concat

from scripts.evaluation import evaluate_files
from scripts.monitor import keep_reference, monitor, said
from scripts.promote import Outcome, promote
from scripts.promote import said as outcome_said
from src.data.ingestion import ingest, read_table
from src.data.preprocessing import preprocess, write_rows
from src.data.schema import DataSchema, load_schema
from src.data.validation import broken, validate
from src.models.registry import Event, Registry
from src.monitoring.drift import Check
from src.monitoring.settings import RetrainingSettings, load_monitoring_settings
from src.monitoring.window import load_labelled
from src.training.train import MODEL_FILE, train
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError
from src.utils.files import sha256_of

MARK = "retraining: "  # how the reasons of these versions begin in the registry
SHOWN = 3  # alarms in a reason, the largest first


def main() -> None:
    """Parse the command line, look whether there is a need, and train."""
    parser = config_parser("Train again, with the labelled predictions.")
    parser.add_argument("--why", default="by hand", help="the reason, for the history")
    text = "train only if there is a reason, and the last one is long enough ago"
    parser.add_argument("--if-needed", action="store_true", help=text)
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    with alone(settings):
        why = arguments.why
        if arguments.if_needed and not (why := "; ".join(needs(settings))):
            print("no retraining")
            return
        outcome = retrain(settings, why, again=not arguments.if_needed)
    if outcome is not None:
        print("\n".join(outcome_said(outcome)))
        if outcome.decision and not outcome.promoted:
            sys.exit(1)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep other retrainings of this machine out; DataError if there is one."""
    settings.paths.models.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.paths.models / ".retraining.lock", timeout=0):
            yield
    except Timeout:
        raise DataError("another retraining is running; wait until it ends") from None


def needs(settings: Settings) -> list[str]:
    """Look at the window, and return why a model is to be trained now."""
    schema = load_schema(settings.data.schema_path, settings)
    chosen = load_monitoring_settings(settings, schema)
    history, now = Registry(settings).history(), datetime.now(UTC)
    moves = [e for e in history if e.alias == "champion" and e.action != "register"]
    if not moves:
        raise DataError("the registry has no champion; run `make promote` first")
    checks = []
    try:
        decision = monitor(settings)
        print(f"{decision['verdict']}: {decision['told']}")
        if decision["version"] == moves[-1].version:
            checks = [Check(**check) for check in decision["checks"]]
        else:  # an older one, of an image that was not built again
            print(f"version {decision['version']} answered, which is not the champion")
    except DataError as error:
        print(f"not decidable: {error}")
    times = load_labelled(settings, chosen, schema)[1]
    since = datetime.fromisoformat(moves[-1].time)
    new = int((times > since.replace(tzinfo=None)).sum())
    found = reasons(chosen.retraining, checks, now - since, new)
    if found and (wait := resting(history, now, chosen.retraining.cooldown_hours)):
        print(f"{'; '.join(found)}, but the last retraining is less than {wait} ago")
        return []
    return found


def reasons(
    chosen: RetrainingSettings, checks: list[Check], age: timedelta, labels: int
) -> list[str]:
    """Return which of the configured reasons hold, in words, given the checks of the
    window, and the age and the new labels of the champion."""
    kinds = {"drift", "prediction drift"} if "drift" in chosen.alarms else set()
    if "performance" in chosen.alarms:
        kinds |= {"performance", "estimated performance"}
    alarms = [check for check in checks if check.alarm and check.check in kinds]
    found = [said(check) for check in sorted(alarms, key=lambda c: -c.effect)]
    if more := len(found[SHOWN:]):
        found[SHOWN:] = [f"{more} more alarms"]
    if chosen.every_days is not None and age >= timedelta(days=chosen.every_days):
        found.append(f"the champion is {age.days} days old")
    if chosen.new_labels is not None and labels >= chosen.new_labels:
        found.append(f"{labels} new labels")
    return found


def resting(history: list[Event], now: datetime, hours: float) -> str:
    """Return how long to wait between two retrainings, if that is not over yet."""
    times = [e.time for e in history if e.why.startswith(MARK)]
    limit = timedelta(hours=hours)
    is_early = times and now - datetime.fromisoformat(times[-1]) < limit
    return str(limit) if is_early else ""


def retrain(settings: Settings, why: str, again: bool = True) -> Outcome | None:
    """Go from the data to the gate, and return what became of the model. Unless it is
    to be done ``again``, nothing is trained if the last version had the same rows."""
    schema = load_schema(settings.data.schema_path, settings)
    labelled = usable(settings, schema)
    settings = settings if labelled.empty else joined(settings, schema, labelled)
    source = ingest(settings.data.source, settings.paths.data / "raw")
    registry = Registry(settings)
    decided = {e.version for e in registry.history() if e.action != "register"}
    for last in registry.versions()[-1:] if not again else []:
        known = registry.record(last)["data"]["source_sha256"]
        if last.number in decided and known == sha256_of(source):
            print(f"{why}, but there are no other rows than version {last.number} had")
            return None
    preprocess(settings)
    train(settings)
    path = settings.paths.models / MODEL_FILE
    print(evaluate_files(path, None, settings))
    outcome = promote(path, settings, MARK + why)
    if outcome.version and outcome.version == registry.at("champion"):
        keep_reference(settings, registry, outcome.version)
    return outcome


def usable(settings: Settings, schema: DataSchema) -> DataFrame:
    """Return the labelled predictions that are to be learned, if that is configured.
    What breaks the data schema is not: of a category that it does not list, which the
    service answers all the same, a person decides, by listing it."""
    chosen = load_monitoring_settings(settings, schema)
    if not chosen.retraining.labelled_predictions:
        return DataFrame()
    labelled, _ = load_labelled(settings, chosen, schema)
    by = settings.preprocessing.drop_duplicates
    needed = [*schema.used, *(by if isinstance(by, list) else [])]
    absent = [name for name in needed if name not in labelled]
    if absent and not labelled.empty:
        problem = f"the prediction log lacks columns that training needs: {absent}"
        advice = "set retraining.labelled_predictions: false, or keep them in the log"
        raise DataError(f"{problem}; {advice} (config/monitoring_config.yaml)")
    fits = Series(True, labelled.index)
    for name in schema.used:
        column = labelled[name]
        for rule, where in broken(schema.columns[name], column, column).items():
            if where.any():
                found = ", ".join(map(repr, column[where].unique()[:5]))
                told = f"{where.sum()} labelled predictions with {name!r} {found}"
                print(f"left out: {told}, against the data schema: {rule}")
                fits &= ~where
    return labelled[fits]


def joined(settings: Settings, schema: DataSchema, labelled: DataFrame) -> Settings:
    """Return the settings with a source that has the labelled predictions, too."""
    data, folder = settings.data, settings.paths.data
    source = ingest(data.source, folder / "raw", data.sha256)
    rows = validate(source, read_table(source), schema, settings)
    rules = settings.preprocessing
    if rules.drop_duplicates is True:  # here, as the log lacks columns that count
        rows, labelled = rows.drop_duplicates(), labelled.drop_duplicates()
        rules = rules.model_copy(update={"drop_duplicates": False})
    path = folder / "raw" / "retraining.csv"
    parts = [rows[schema.used], labelled[schema.used]]
    write_rows(concat(parts, ignore_index=True), schema, path)
    print(f"{len(rows)} rows of {source.name}, {len(labelled)} labelled predictions")
    data = data.model_copy(update={"source": str(path), "sha256": None})
    return settings.model_copy(update={"data": data, "preprocessing": rules})


if __name__ == "__main__":
    run(main)

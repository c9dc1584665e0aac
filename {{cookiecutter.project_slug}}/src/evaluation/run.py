"""The evaluation of a saved model on a file of rows, with the configured audits."""

from pathlib import Path
from typing import Any, NamedTuple

from pandas import DataFrame

from src.audits.audit import AuditContext, run_audits
from src.data.processed import load_processed, read_rows
from src.data.schema import DataSchema, load_schema
from src.evaluation.performance import Evaluation, evaluate
from src.evaluation.report import Subject
from src.models.artifact import Record, load_model
from src.utils.config import Settings
from src.utils.errors import DataError, ModelError
from src.utils.files import sha256_of


class Evaluated(NamedTuple):
    """A model, how well it does, and on which rows."""

    pipeline: Any
    evaluation: Evaluation
    subject: Subject
    test: DataFrame


def evaluate_model(model_path: Path, test_path: Path, settings: Settings) -> Evaluated:
    """Measure and audit a saved model on rows that it has not seen.

    Raises:
        ConfigError: If the data schema, a slice or an audit cannot be used.
        DataError: If the rows cannot be used.
        ModelError: If the model cannot be used on these rows.
    """
    pipeline, record = load_model(model_path)
    schema = load_schema(settings.data.schema_path, settings)
    train = load_processed(settings, "train")
    check_model(model_path, record, settings)
    test = read_test_rows(test_path, record, schema, settings)
    result = evaluate(pipeline, train[schema.target], test, schema, settings)
    context = AuditContext(pipeline, train, test, schema, result.predictions)
    audits = run_audits(context, settings)
    subject = Subject(record, schema, test_path, audits)
    return Evaluated(pipeline, result, subject, test)


def check_model(path: Path, record: Record, settings: Settings) -> None:
    """Refuse a model of another task, or one trained on other rows than there are now.

    After a new split, rows that such a model was trained on are test rows.

    Raises:
        ModelError: If the model must not be evaluated on the present rows.
    """
    task = record["configuration"]["task"]
    if task != settings.task:
        raise ModelError(
            f"{path}: trained for {task}, but the configured task is {settings.task}; "
            "run `make train`"
        )
    train_path = settings.paths.processed / "train.csv"
    if sha256_of(train_path) != record["data"]["files"]["train.csv"]["sha256"]:
        raise ModelError(
            f"{path}: trained on other rows than {train_path} holds now, so test rows "
            "may be among them; run `make train`"
        )


def read_test_rows(
    path: Path, record: Record, schema: DataSchema, settings: Settings
) -> DataFrame:
    """Return the test rows; those of the project only if they are as they were made.

    Raises:
        DataError: If the rows cannot be used, or are the training rows.
    """
    if path.resolve() == (settings.paths.processed / "test.csv").resolve():
        return load_processed(settings, "test")
    rows = read_rows(path, schema)
    if sha256_of(path) == record["data"]["files"]["train.csv"]["sha256"]:
        raise DataError(
            f"{path}: these are the rows that the model was trained on; expected rows "
            "that it has not seen"
        )
    return rows

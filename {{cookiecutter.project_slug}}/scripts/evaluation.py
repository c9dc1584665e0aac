"""Measure a trained model on test rows, and write the evaluation report.

    python scripts/evaluation.py --model-path models/latest_model.joblib \
        --test-data data/processed/test.csv

Writes ``evaluation.html`` and ``evaluation.json`` to the reports folder.
"""

from pathlib import Path

from pandas import DataFrame

from src.data.processed import load_processed, read_rows
from src.data.schema import DataSchema, load_schema
from src.evaluation.metrics import METRICS
from src.evaluation.performance import Evaluation, evaluate
from src.evaluation.report import Subject, format_number, format_score, write_report
from src.models.artifact import Record, load_model
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError, ModelError
from src.utils.files import sha256_of

VERDICTS = {
    "better": "the model is better than the baseline",
    "worse": "the model is worse than the baseline",
    "unclear": "the model is not shown to be better than the baseline",
}


def main() -> None:
    """Parse the command line, evaluate, and say what came out.

    Raises:
        ProjectError: If the configuration, the model or the data cannot be used.
    """
    parser = config_parser("Measure a trained model on test rows.")
    parser.add_argument(
        "--model-path",
        type=Path,
        help="the model file (default: latest_model.joblib in paths.models)",
    )
    parser.add_argument(
        "--test-data",
        type=Path,
        help="rows with their target (default: processed/test.csv in paths.data)",
    )
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    model_path = arguments.model_path or settings.paths.models / "latest_model.joblib"
    test_path = arguments.test_data or settings.paths.processed / "test.csv"
    print(evaluate_files(model_path, test_path, settings))


def evaluate_files(model_path: Path, test_path: Path, settings: Settings) -> str:
    """Evaluate a saved model on a file of rows, and write the report.

    Returns:
        The metrics, the verdict, and where the report is.

    Raises:
        ConfigError: If the data schema or a slice cannot be used.
        DataError: If the rows cannot be used.
        ModelError: If the model cannot be used on these rows.
    """
    pipeline, record = load_model(model_path)
    schema = load_schema(settings.data.schema_path, settings)
    train = load_processed(settings, "train")
    check_model(model_path, record, settings)
    test = read_test_rows(test_path, record, schema, settings)
    result = evaluate(pipeline, train[schema.target], test, schema, settings)
    page, summary = write_report(result, Subject(record, schema, test_path), settings)
    return f"{table(result)}\n\n{VERDICTS[result.verdict]}\n{page}\n{summary}"


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


def table(evaluation: Evaluation) -> str:
    """Write the metrics of the model and of the baseline, one line each."""
    lines = [f"{'metric':<24}{'model':<28}baseline"]
    for name, score in evaluation.model.scores.items():
        guess = evaluation.baseline.scores.get(name)
        shown = format_number(guess.value if guess else None)
        lines.append(f"{METRICS[name].label:<24}{format_score(score):<28}{shown}")
    for name, reason in evaluation.model.undefined.items():
        lines.append(f"{METRICS[name].label:<24}not defined: {reason}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)

"""Measure a trained model on test rows, and write the evaluation report.

    python scripts/evaluation.py --model-path models/latest_model.joblib \
        --test-data data/processed/test.csv

Writes ``evaluation.html`` and ``evaluation.json`` to the reports folder.
"""

from pathlib import Path

from src.evaluation.metrics import METRICS
from src.evaluation.performance import Evaluation
from src.evaluation.report import format_number, format_score, write_report
from src.evaluation.run import evaluate_model
from src.tracking.recording import record_evaluation, recorded_run
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import ConfigError, TrackingError

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
    print("next: python scripts/promote.py")


def evaluate_files(model_path: Path, test_path: Path, settings: Settings) -> str:
    """Evaluate a saved model on a file of rows, write the report, and record it.

    Returns:
        The metrics, the verdict, and where the report is.

    Raises:
        ConfigError: If the data schema, a slice or an audit cannot be used.
        DataError: If the rows cannot be used.
        ModelError: If the model cannot be used on these rows.
        TrackingError: If it cannot be recorded; the report is written all the same.
    """
    result = evaluate_model(model_path, test_path, settings)
    report = write_report(result.evaluation, result.subject, settings)
    try:
        record_evaluation(
            *recorded_run(result.subject.record, settings),
            report.content,
            [report.page, report.summary],
            {picture.name: picture.svg for picture in report.pictures},
        )
    except (ConfigError, TrackingError) as error:
        raise TrackingError(
            f"{error}; the report is written, as {report.page}"
        ) from None
    said = [table(result.evaluation), "", VERDICTS[result.evaluation.verdict]]
    return "\n".join([*said, str(report.page), str(report.summary)])


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

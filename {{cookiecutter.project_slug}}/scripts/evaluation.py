"""Measure a trained model on test rows, and write the evaluation report.

    python scripts/evaluation.py --model-path models/latest_model.joblib \
        --test-data data/processed/test.csv

Writes ``evaluation.html`` and ``evaluation.json`` to the reports folder, and from them
``metrics.json`` and ``plots/``, for tools that compare models.
"""

from pathlib import Path

from src.evaluation.audits import run_audits
from src.evaluation.metrics import METRICS
from src.evaluation.performance import Evaluation, evaluate, load_inputs
from src.evaluation.report import format_number, format_score, write_report
from src.tracking.tracker import add_to_run
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError


def main() -> None:
    """Parse the command line, evaluate, and say what came out."""
    parser = config_parser("Measure a trained model on test rows.")
    text = "the model file (default: latest_model.joblib in paths.models)"
    parser.add_argument("--model-path", type=Path, help=text)
    text = "rows with their target (default: processed/test.csv in paths.data)"
    parser.add_argument("--test-data", type=Path, help=text)
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    model_path = arguments.model_path or settings.paths.models / "latest_model.joblib"
    test_path = arguments.test_data or settings.paths.processed / "test.csv"
    print(evaluate_files(model_path, test_path, settings))
    print("next: python scripts/promote.py")


def evaluate_files(model_path: Path, test_path: Path | None, settings: Settings) -> str:
    """Evaluate a saved model on a file of rows (those of preprocessing, if there is
    none), write the report, and record it.

    Returns:
        The metrics, the verdict, and where the report is.

    Raises:
        ProjectError: If the configuration, the model or the rows cannot be used, or
            the evaluation cannot be recorded; the report is then written all the same.
    """
    inputs = load_inputs(model_path, test_path, settings)
    evaluation = evaluate(inputs, settings)
    audits = run_audits(inputs, evaluation.predictions, settings)
    content = write_report(evaluation, audits, inputs, settings)
    page, summary = (
        settings.paths.reports / f"evaluation.{x}" for x in ("html", "json")
    )
    try:
        tested = content["data"]["test_sha256"]
        found = {"test": content["metrics"], "test_sha256": tested}
        add_to_run(settings, inputs.record, found, [page, summary])
    except DataError as error:
        raise DataError(f"{error}; the report is written: {page}") from None
    doubts = filter(None, [content["heavy_tail"]])
    verdict = f"the model is {evaluation.told}"
    lines = [*table(evaluation), "", verdict, *doubts, str(page), str(summary)]
    return "\n".join(lines)


def table(evaluation: Evaluation) -> list[str]:
    """Return the metrics of the model and of the baseline, one line each."""
    lines = [f"{'metric':<24}{'model':<28}baseline"]
    for name, score in evaluation.model.scores.items():
        guess = evaluation.baseline.scores.get(name)
        shown = format_number(guess.value if guess else None)
        value = format_score(score._asdict())
        lines.append(f"{METRICS[name].label:<24}{value:<28}{shown}")
    for name, reason in evaluation.model.undefined.items():
        lines.append(f"{METRICS[name].label:<24}not defined: {reason}")
    return lines


if __name__ == "__main__":
    run(main)

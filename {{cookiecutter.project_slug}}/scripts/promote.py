"""Decide whether the trained model becomes the champion, or go back to the one before.

    python scripts/promote.py --why "trained on the rows of May"
    python scripts/promote.py --rollback --why "complaints from customers"

The model is registered as the challenger and held against ``gate`` of
``config/pipeline_config.yaml``, beside the champion on the same test rows. A model that
does not pass is refused, with exit status 1.
"""

import sys
from pathlib import Path

from src.evaluation.gate import Decision
from src.evaluation.model_card import card_path
from src.evaluation.promotion import Outcome, promote, roll_back
from src.utils.cli import config_parser, run, settings_from


def main() -> None:
    """Parse the command line, then promote or roll back.

    Raises:
        ProjectError: If the configuration, the data or a model cannot be used.
        SystemExit: With status 1 if the model is refused.
    """
    parser = config_parser("Decide whether the trained model becomes the champion.")
    parser.add_argument(
        "--model-path",
        type=Path,
        help="the model file (default: latest_model.joblib in paths.models)",
    )
    parser.add_argument(
        "--why", default="promotion", help="the reason, for the history"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="decide, and change no registry"
    )
    parser.add_argument(
        "--override",
        action="store_true",
        help="promote even if a rule does not hold; the history says so",
    )
    parser.add_argument(
        "--rollback", action="store_true", help="go back to the champion before"
    )
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    if arguments.rollback:
        now, before = roll_back(settings, arguments.why)
        print(f"version {now} is the champion again, version {before} no longer")
        print(f"next: review and commit {card_path(settings)}")
        return
    outcome = promote(
        arguments.model_path or settings.paths.models / "latest_model.joblib",
        settings,
        arguments.why,
        override=arguments.override,
        dry_run=arguments.dry_run,
    )
    print(said(outcome))
    if outcome.promoted:
        print(f"next: review and commit {card_path(settings)}")
    refused = outcome.decision is not None and not outcome.decision.passed
    if refused and not outcome.promoted:
        sys.exit(1)


def said(outcome: Outcome) -> str:
    """Return what became of the model, below the table of the decision."""
    decision, version = outcome.decision, outcome.version
    if decision is None:
        return f"version {version.number if version else '?'} is the champion already"
    lines = [*table(decision), ""]
    if version is None:
        verdict = "would pass" if decision.passed else "would not pass"
        lines.append(f"the model {verdict} the gate; nothing was changed")
    elif outcome.promoted:
        lines.append(f"version {version.number} is the champion")
    else:
        lines.append(f"version {version.number} is refused: {decision.why}")
    return "\n".join(lines)


def table(decision: Decision) -> list[str]:
    """Return the rules and the notes, one line each."""
    rules = [
        f"{'ok' if rule.passed else 'NO':<3}{rule.name}: {rule.found}, "
        f"expected {rule.expected}"
        for rule in decision.rules
    ]
    return [*rules, *(f"{'':<3}{note}" for note in decision.notes)]


if __name__ == "__main__":
    run(main)

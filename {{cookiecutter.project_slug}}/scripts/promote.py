"""Decide whether the trained model becomes the champion, or go back to the one before.

    python scripts/promote.py --why "trained on the rows of May"
    python scripts/promote.py --rollback --why "complaints from customers"

The model is registered as the challenger and held against ``gate`` of
``config/pipeline_config.yaml``, beside the champion on the same test rows. A model that
does not pass is refused, with exit status 1.
"""

import sys
from pathlib import Path

from src.evaluation.model_card import card_path
from src.evaluation.promotion import Outcome, promote, roll_back
from src.utils.cli import config_parser, run, settings_from


def main() -> None:
    """Parse the command line, then promote or roll back."""
    parser = config_parser("Decide whether the trained model becomes the champion.")
    text = "the model file (default: latest_model.joblib in paths.models)"
    parser.add_argument("--model-path", type=Path, help=text)
    text = "the reason, for the history"
    parser.add_argument("--why", default="promotion", help=text)
    text = "why the model passes if the champion cannot be measured on these rows"
    parser.add_argument("--over-champion", metavar="WHY", help=text)
    for option, text in (
        ("--dry-run", "decide, and change no registry"),
        ("--override", "promote even if a rule does not hold; the history says so"),
        ("--rollback", "go back to the champion before"),
    ):
        parser.add_argument(option, action="store_true", help=text)
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    if arguments.rollback:
        now, before = roll_back(settings, arguments.why)
        print(f"version {now.number} is the champion again, not {before.number}")
        print(f"next: review and commit {card_path(settings)}")
        return
    outcome = promote(
        arguments.model_path or settings.paths.models / "latest_model.joblib",
        settings,
        arguments.why,
        override=arguments.override,
        dry_run=arguments.dry_run,
        over_champion=arguments.over_champion,
    )
    print("\n".join(said(outcome)))
    if outcome.promoted:
        print(f"next: review and commit {card_path(settings)}")
    elif outcome.decision and not outcome.decision.passed:
        sys.exit(1)


def said(outcome: Outcome) -> list[str]:
    """Return the rules and the notes, and what became of the model, line by line."""
    decision, version = outcome.decision, outcome.version
    number = f"version {version.number}" if version else "the model"
    if decision is None:
        return [f"{number} is the champion already"]
    lines = [
        f"{'ok' if rule.passed else 'NO':<3}{rule.name}: {rule.found}, "
        f"expected {rule.expected}"
        for rule in decision.rules
    ]
    lines += [*(f"{'':<3}{note}" for note in decision.notes), ""]
    if version is None:
        verdict = "would pass" if decision.passed else "would not pass"
        return [*lines, f"{number} {verdict} the gate; nothing was changed"]
    if outcome.promoted:
        return [*lines, f"{number} is the champion"]
    return [*lines, f"{number} is refused: {decision.why}"]


if __name__ == "__main__":
    run(main)

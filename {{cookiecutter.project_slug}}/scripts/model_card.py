"""Write the model card of the champion anew, or hold it against the champion.

    python scripts/model_card.py [--check]

A promotion writes it as well; this is for a change of ``intended_use.md``.
"""

from src.evaluation.model_card import card_path, render_card, write_card
from src.models.registry import Registry
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError


def main() -> None:
    """Write the card of the champion anew, or hold it against the champion."""
    parser = config_parser("Write the model card of the champion.")
    parser.add_argument("--check", action="store_true", help="fail if it is another's")
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    registry = Registry(settings)
    if arguments.check:
        print(check_card(registry, settings))
    else:
        print(f"{write_card(registry, settings)}: written; review and commit it")


def check_card(registry: Registry, settings: Settings) -> str:
    """Say that the card is the champion's, or that there is neither; else DataError."""
    path, champion = card_path(settings), registry.at("champion")
    found = path.read_text(encoding="utf-8") if path.exists() else None
    expected = render_card(registry, champion, settings) if champion else None
    if found != expected:
        advice = "run `python scripts/model_card.py`, and commit the card"
        if champion is None:
            advice = "there is no champion: remove it, or run `make promote`"
        raise DataError(f"{path}: not the card of the champion; {advice}")
    return f"{path}: the card of the champion" if found else "no champion, and no card"


if __name__ == "__main__":
    run(main)

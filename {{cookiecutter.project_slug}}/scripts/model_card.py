"""Write the model card of the champion anew, or hold it against the champion.

python scripts/model_card.py
python scripts/model_card.py --check
"""

from src.evaluation.model_card import check_card, write_card
from src.models.registry import make_registry
from src.utils.cli import config_parser, run, settings_from


def main() -> None:
    """Parse the command line, then write or check.

    Raises:
        ProjectError: If there is no champion, or the card is not the one of it.
    """
    parser = config_parser("Write the model card of the champion.")
    parser.add_argument(
        "--check", action="store_true", help="fail if the card is not the champion's"
    )
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    registry = make_registry(settings)
    if arguments.check:
        print(check_card(registry, settings))
    else:
        print(f"{write_card(registry, settings)}: written; review and commit it")


if __name__ == "__main__":
    run(main)

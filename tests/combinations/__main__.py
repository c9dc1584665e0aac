"""``python -m tests.combinations``: check the template, and print the figures."""

import argparse
import sys
from pathlib import Path

from tests.combinations.check import check
from tests.combinations.speed import speed

TEMPLATE = Path(__file__).resolve().parents[2]


def main() -> int:
    """Print the figures and the problems; 1 if there is any."""
    parser = argparse.ArgumentParser(prog="python -m tests.combinations")
    parser.add_argument(
        "--speed", action="store_true", help="compare with one cookiecutter call each"
    )
    parser.add_argument(
        "template", nargs="?", type=Path, default=TEMPLATE, help="another template"
    )
    arguments = parser.parse_args()
    report = check(arguments.template)
    print(report)
    if arguments.speed:
        print(speed(arguments.template, report))
    return bool(report.problems)


if __name__ == "__main__":
    sys.exit(main())

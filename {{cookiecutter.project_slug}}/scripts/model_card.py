"""The model card of the champion, after Mitchell et al., "Model Cards for Model
Reporting" (2019), of what its owner says in ``intended_use.md`` and what the registry
keeps with it. A promotion writes it; after a change of that file, this does::

    python scripts/model_card.py [--check]
"""

import os
from pathlib import Path

from src.evaluation.report import render
from src.models.registry import Registry, Version
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError
from src.utils.files import write_text


def card_path(settings: Settings) -> Path:
    """Return where the card of the registered model is."""
    return settings.registry.cards / f"{settings.registry.model}.md"


def check_owner(settings: Settings) -> Path:
    """Return the part of the card that its owner writes; ConfigError without it."""
    path = settings.registry.cards / "intended_use.md"
    if not path.exists():
        raise ConfigError(f"{path}: file not found; say there what the model is for")
    return path


def write_card(registry: Registry, settings: Settings) -> Path:
    """Write the card of the champion."""
    champion = registry.at("champion")
    if champion is None:
        raise DataError("no champion yet, so no card; run `make promote`")
    path = card_path(settings)
    write_text(path, render_card(registry, champion, settings))
    return path


def render_card(registry: Registry, version: Version, settings: Settings) -> str:
    """Return the card of a version that was evaluated, as Markdown."""
    summary = registry.document(version, "evaluation")
    if summary is None:
        problem = f"version {version.number} has no evaluation in the registry"
        raise DataError(f"{problem}, so there is no card; run `make promote`")
    dictionary = os.path.relpath(settings.data.dictionary_path, settings.registry.cards)
    wanted, events = ("promote", "champion", version.number), registry.history()
    promoted = [e for e in events if (e.action, e.alias, e.version) == wanted]
    return render(
        "model_card.md.j2",
        name=settings.registry.model,
        version=version,
        record=registry.record(version),
        summary=summary,
        gate=registry.document(version, "gate"),
        promotion=promoted[-1] if promoted else None,
        dictionary=Path(dictionary).as_posix(),
        owner=check_owner(settings).read_text(encoding="utf-8").strip(),
    )


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


if __name__ == "__main__":
    run(main)

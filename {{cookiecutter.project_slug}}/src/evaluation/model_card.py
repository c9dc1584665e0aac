"""The model card of the champion: what it is for, how good it is, what made it.

After Mitchell et al., "Model Cards for Model Reporting" (2019). The owner writes
``intended_use.md`` once, and no run touches it; the card is written anew from it and
from what the registry keeps with the champion, and the same gives the same text.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from src.evaluation.metrics import METRICS
from src.evaluation.pictures import Picture
from src.evaluation.report import format_number
from src.models.artifact import Record
from src.models.registry import Event, ModelRegistry, Version
from src.utils.config import Settings
from src.utils.errors import ConfigError, ModelError
from src.utils.files import first_difference, write_text
from src.utils.visualization import on_paper

TEMPLATE = "model_card.md.j2"
INTENDED_USE = "intended_use.md"


def card_path(settings: Settings) -> Path:
    """Return where the card of the registered model is."""
    return settings.registry.cards / f"{settings.registry.model}.md"


def check_owner(settings: Settings) -> Path:
    """Return the part of the card that its owner writes.

    Raises:
        ConfigError: If it is missing.
    """
    path = settings.registry.cards / INTENDED_USE
    if not path.exists():
        raise ConfigError(f"{path}: file not found; say there what the model is for")
    return path


def write_card(
    registry: ModelRegistry, settings: Settings, pictures: Sequence[Picture] = ()
) -> Path:
    """Write the card of the champion, and its pictures where there are some.

    Args:
        registry: Where the champion is.
        settings: Where the card goes, and what the model is called.
        pictures: What the report shows of the whole model. Without any, as after a
            rollback, those of an earlier promotion are shown again.

    Returns:
        The path of the card.

    Raises:
        ConfigError: If the owner's part is missing.
        ModelError: If there is no champion, or nothing is known about it.
    """
    champion = registry.champion()
    if champion is None:
        raise ModelError("no champion yet, so no card; run `make promote`")
    for picture in pictures:
        path = _pictures(champion, settings) / f"{picture.name}.svg"
        write_text(path, on_paper(picture.svg))
    path = card_path(settings)
    write_text(path, render_card(registry, champion, settings))
    return path


def check_card(registry: ModelRegistry, settings: Settings) -> str:
    """Hold the card against the champion.

    Returns:
        What was found, in one line.

    Raises:
        ConfigError: If the owner's part is missing.
        ModelError: If the card is not the one of the champion, or is missing.
    """
    path, champion = card_path(settings), registry.champion()
    if champion is None:
        if path.exists():
            raise ModelError(
                f"{path}: a card, but the registry has no champion; remove the card, "
                "or run `make promote`"
            )
        return "no champion yet, and no card"
    advice = "run `python scripts/model_card.py` and commit the card"
    if not path.exists():
        raise ModelError(
            f"{path}: file not found, expected the card of version {champion.number}; "
            f"{advice}"
        )
    found = path.read_text(encoding="utf-8").splitlines()
    expected = render_card(registry, champion, settings).splitlines()
    difference = first_difference(found, expected)
    if difference is not None:
        raise ModelError(
            f"{path}: {difference} for version {champion.number}, the champion; "
            f"{advice}"
        )
    return f"{path}: the card of version {champion.number}, the champion"


def render_card(registry: ModelRegistry, version: Version, settings: Settings) -> str:
    """Return the card of a version as Markdown.

    Raises:
        ConfigError: If the owner's part is missing.
        ModelError: If the registry keeps no evaluation with the version.
    """
    summary = registry.attached(version, "evaluation")
    if summary is None:
        raise ModelError(
            f"version {version.number} has no evaluation in the registry, so there is "
            "no card; register it with `make promote`"
        )
    owner = check_owner(settings)
    folder = _pictures(version, settings)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # this is Markdown; the filters below keep its marks apart
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": format_number,
        "cell": _cell,
        "score": _score,
        "line": lambda cells: f"| {' | '.join(map(_cell, cells))} |",
        "rule": lambda cells: f"|{'---|' * len(cells)}",
    }
    return environment.get_template(TEMPLATE).render(
        name=settings.registry.model,
        version=version,
        record=version.record,
        chosen=_chosen(version.record),
        target=_target(version.record["schema"]["columns"]),
        summary=summary,
        gate=registry.attached(version, "gate"),
        promotion=_promotion(registry, version),
        dictionary=_link(settings.data.dictionary_path, settings),
        info=METRICS,
        owner=owner.read_text(encoding="utf-8").strip(),
        pictures=[_link(path, settings) for path in sorted(folder.glob("*.svg"))],
    )


def _pictures(version: Version, settings: Settings) -> Path:
    """Return the folder of the pictures of a version."""
    return settings.registry.cards / "images" / version.sha256[:12]


def _link(path: Path, settings: Settings) -> str:
    """Return what a link in the card to a file is."""
    return Path(os.path.relpath(path, settings.registry.cards)).as_posix()


def _promotion(registry: ModelRegistry, version: Version) -> Event | None:
    """Return the promotion of a version, the last one if it was promoted again."""
    events = [e for e in registry.history() if e.version == version.number]
    return next((e for e in reversed(events) if e.action == "promote"), None)


def _chosen(record: Record) -> str:
    """Return the hyperparameters that were set, or found by a search."""
    found = record["search"]["best"]["params"] if record["search"] else {}
    params = record["configuration"]["model"]["params"] | found
    return ", ".join(f"{name} = {value}" for name, value in params.items())


def _target(columns: dict[str, Any]) -> str:
    """Return the column that is predicted."""
    return next(n for n, column in columns.items() if column["role"] == "target")


def _score(score: dict[str, Any]) -> str:
    """Return a metric with its interval, if it has one."""
    text = format_number(score["value"])
    if score["low"] is None:
        return text
    return f"{text} ({format_number(score['low'])} to {format_number(score['high'])})"


def _cell(text: object) -> str:
    """Return text that stays in its cell of a table, and is no HTML."""
    shown = " ".join(str(text).split())
    for mark in "\\`*_[]<>|#":
        shown = shown.replace(mark, f"\\{mark}")
    return shown

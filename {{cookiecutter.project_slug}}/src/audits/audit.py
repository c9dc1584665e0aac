"""Audits: what is asked of a model beyond its metrics.

``evaluation.audits`` in the configuration names modules of this folder, each with a
function ``audit``. What an audit finds becomes a section of the report, and its checks
are among those that the gate holds a challenger against.
"""

from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from pandas import DataFrame

from src.data.schema import DataSchema
from src.evaluation.metrics import Predictions
from src.evaluation.pictures import Picture
from src.utils.config import Settings
from src.utils.errors import ConfigError

OWN_MODULES = {"__init__", "audit", "settings"}


@dataclass(frozen=True)
class Check:
    """A limit that the owner has set, and whether the model holds it."""

    name: str
    value: float
    limit: float
    passed: bool
    text: str


@dataclass(frozen=True)
class Table:
    """A table of the report, as text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        name: The module that made it.
        title: The heading of its section.
        intro: How to read it.
        tables: For the report.
        pictures: For the report.
        checks: The limits that are set.
        content: All figures, as JSON can hold them.
    """

    name: str
    title: str
    intro: str
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return what programs read of it."""
        return {
            "title": self.title,
            "checks": [asdict(check) for check in self.checks],
            "tables": [asdict(table) for table in self.tables],
            **self.content,
        }


@dataclass(frozen=True)
class AuditContext:
    """What is audited.

    Attributes:
        pipeline: The fitted pipeline.
        train: The training rows.
        test: The test rows.
        schema: The data contract.
        predictions: What the pipeline says of the test rows.
    """

    pipeline: Any
    train: DataFrame
    test: DataFrame
    schema: DataSchema
    predictions: Predictions


def run_audits(context: AuditContext, settings: Settings) -> list[Audit]:
    """Return what the configured audits find.

    Raises:
        ConfigError: If there is no such audit, or its settings are not valid.
    """
    known = {path.stem for path in Path(__file__).parent.glob("*.py")} - OWN_MODULES
    audits = []
    for name in settings.evaluation.audits:
        if name not in known:
            expected = ", ".join(sorted(known)) or "none, as there is no audit here"
            raise ConfigError(
                f"evaluation.audits: found {name!r}, expected of: {expected}"
            )
        audits.append(import_module(f"{__package__}.{name}").audit(context, settings))
    return audits

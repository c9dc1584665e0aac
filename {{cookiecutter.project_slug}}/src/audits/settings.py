"""Typed settings of the audits, from config/responsible_ai_config.yaml."""

from pathlib import Path

from pydantic import Field, ValidationError

from src.utils.config import CONFIG_DIR, Section, describe, read_yaml
from src.utils.errors import ConfigError


class ExplanationSettings(Section):
    """How many rows are explained, how much is said of each, and what is too much.

    ``max_share`` is the largest share of the importance that one column may have.
    """

    rows: int = Field(default=300, ge=1)
    background: int = Field(default=100, ge=1)
    top: int = Field(default=5, ge=1)
    max_share: float | None = Field(default=None, gt=0, le=1)


class FairnessSettings(Section):
    """How groups are compared, and by how much they may differ, by measure."""

    bootstrap_samples: int = Field(default=100, ge=10)
    limits: dict[str, float] = {}


class AuditSettings(Section):
    """The settings of all audits."""

    explanation: ExplanationSettings = ExplanationSettings()
    fairness: FairnessSettings = FairnessSettings()


def load_audit_settings(
    path: Path = CONFIG_DIR / "responsible_ai_config.yaml",
) -> AuditSettings:
    """Read the settings of the audits.

    Raises:
        ConfigError: If the file is missing, or a key is unknown or of the wrong type.
    """
    content = read_yaml(path)
    try:
        return AuditSettings.model_validate(content)
    except ValidationError as error:
        raise ConfigError(describe(error, AuditSettings, {}, str(path))) from None

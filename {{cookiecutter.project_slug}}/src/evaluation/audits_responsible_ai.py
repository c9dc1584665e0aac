"""Audits of a model beyond its metrics: leaks, what it goes by, and how it treats
groups."""

from pathlib import Path

from src.evaluation.explanation import ExplanationSettings, audit_explanation
from src.evaluation.fairness import FairnessSettings, audit_fairness
from src.evaluation.leaks import audit_leaks
from src.evaluation.metrics import Predictions
from src.evaluation.performance import Audit, Inputs
from src.utils.config import CONFIG_DIR, Section, Settings, read_settings

AUDIT_CONFIG = CONFIG_DIR / "responsible_ai_config.yaml"


class AuditSettings(Section):
    """The settings of all audits."""

    explanation: ExplanationSettings = ExplanationSettings()
    fairness: FairnessSettings = FairnessSettings()


def load_audit_settings(path: Path = AUDIT_CONFIG) -> AuditSettings:
    """Read the settings; ConfigError names a key that is unknown or of a wrong type."""
    return read_settings(AuditSettings, [path])


def run_audits(inputs: Inputs, said: Predictions, settings: Settings) -> list[Audit]:
    """Return what the audits of a model find; the gate holds their rules."""
    chosen = load_audit_settings()
    explanation = audit_explanation(inputs, settings, chosen.explanation)
    fairness = audit_fairness(inputs, said, settings, chosen.fairness)
    return [audit_leaks(inputs, settings), explanation, fairness]

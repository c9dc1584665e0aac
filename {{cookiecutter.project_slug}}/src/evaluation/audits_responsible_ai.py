"""Audits of a model beyond its metrics: leaks, what it goes by, and its groups."""

from src.evaluation.explanation import audit_explanation
from src.evaluation.fairness import FairnessSettings, audit_fairness
from src.evaluation.leaks import audit_leaks
from src.evaluation.metrics import Predictions
from src.evaluation.performance import Audit, Inputs
from src.utils.config import CONFIG_DIR, Section, Settings, read_settings

AUDIT_CONFIG = CONFIG_DIR / "responsible_ai_config.yaml"


class AuditSettings(Section):
    fairness: FairnessSettings = FairnessSettings()


def run_audits(inputs: Inputs, said: Predictions, settings: Settings) -> list[Audit]:
    """Return what the audits of a model find; the gate holds their rules."""
    chosen = read_settings(AuditSettings, [AUDIT_CONFIG])
    fairness = audit_fairness(inputs, said, settings, chosen.fairness)
    others = [audit_leaks(inputs, settings), audit_explanation(inputs, settings)]
    return [*others, fairness]

"""Audits of a model beyond its metrics: whether features give the target away.

An audit is a section of the report; the gate holds a challenger to its rules.
"""

from src.evaluation.leaks import audit_leaks
from src.evaluation.metrics import Predictions
from src.evaluation.performance import Audit, Inputs
from src.utils.config import Settings


def run_audits(inputs: Inputs, said: Predictions, settings: Settings) -> list[Audit]:
    """Return what the audits of a model find."""
    return [audit_leaks(inputs, settings)]

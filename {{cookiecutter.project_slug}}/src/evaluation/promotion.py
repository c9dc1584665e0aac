"""Promotion: a challenger is measured beside the champion, and decided on."""

from pathlib import Path
from typing import NamedTuple

from src.evaluation.bootstrap import Measurement, measure
from src.evaluation.gate import Decision, Rule, decide
from src.evaluation.model_card import check_owner, write_card
from src.evaluation.performance import predict
from src.evaluation.report import summarise, write_report
from src.evaluation.run import Evaluated, evaluate_model
from src.models.artifact import load_model, load_record
from src.models.registry import ModelRegistry, Version, make_registry
from src.utils.config import Settings
from src.utils.errors import DataError, ModelError
from src.utils.files import write_json, write_text

OTHER_ROWS = "; it was trained on other rows, and test rows may be among them"


class Outcome(NamedTuple):
    """What became of a challenger; without a decision it is the champion already."""

    decision: Decision | None
    promoted: bool
    version: Version | None


def promote(
    model_path: Path,
    settings: Settings,
    why: str,
    override: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Make a model the champion if it passes the gate.

    Writes the decision to ``gate.json``, ``gate.md`` and the report, and, unless it is
    a dry run, to the registry; the model card follows the champion.

    Args:
        model_path: The model file; its record is beside it.
        settings: The limits, and where everything is.
        why: The reason, for the history.
        override: Promote it even if it does not pass; the history says so.
        dry_run: Decide, and change nothing in the registry.

    Returns:
        The decision, and the version.

    Raises:
        ProjectError: If the configuration, the data or a model cannot be used.
    """
    registry = make_registry(settings)
    champion = registry.champion()
    if champion and champion.sha256 == load_record(model_path)["model_sha256"]:
        text = f"### The model is version {champion.number}, the champion already\n"
        write_text(settings.paths.reports / "gate.md", text)
        return Outcome(None, False, champion)
    test_path = settings.paths.processed / "test.csv"
    result = evaluate_model(model_path, test_path, settings)
    decision = _decide(result, registry, champion, settings)
    _write(result, decision, settings)
    if dry_run:
        return Outcome(decision, False, None)
    check_owner(settings)
    version = registry.register(model_path, why)
    summary = summarise(result.evaluation, result.subject, settings)
    registry.attach(version, "evaluation", summary)
    registry.attach(version, "gate", decision.content())
    promoted = decision.passed or override
    act = registry.promote if promoted else registry.reject
    reason = f"{why}: {decision.why}" + (
        "; promoted all the same" if promoted and not decision.passed else ""
    )
    act(version, reason, {"gate": decision.content()})
    if promoted:
        write_card(registry, settings, result.evaluation)
    return Outcome(decision, promoted, version)


def roll_back(settings: Settings, why: str) -> tuple[int, int | None]:
    """Make the champion before champion again; the model card follows.

    Returns:
        The number of the champion, and of the one before this call.

    Raises:
        ConfigError: If the owner's part of the card is missing.
        ModelError: If there was no champion before.
    """
    check_owner(settings)
    registry = make_registry(settings)
    event = registry.rollback(why)
    write_card(registry, settings)
    return event.version, event.previous


def _decide(
    result: Evaluated,
    registry: ModelRegistry,
    champion: Version | None,
    settings: Settings,
) -> Decision:
    """Return the decision on a challenger, beside the champion if there is one."""
    checks = [check for audit in result.subject.audits for check in audit.checks]
    if champion is None:
        return decide(result.evaluation, None, checks, settings)
    try:
        theirs = _measure(registry, champion, result, settings)
    except (DataError, ModelError) as error:
        rules = decide(result.evaluation, None, checks, settings).rules
        found = f"the champion cannot be measured on these rows: {error}"
        name = f"Against version {champion.number}"
        return Decision([*rules, Rule(name, found, "a comparison", False)])
    decision = decide(result.evaluation, theirs, checks, settings)
    ours = result.subject.record["data"]["files"]["train.csv"]["sha256"]
    if champion.record["data"]["files"]["train.csv"]["sha256"] == ours:
        return decision
    noted = [
        rule._replace(found=rule.found + OTHER_ROWS) if rule.is_about_champion else rule
        for rule in decision.rules
    ]
    return Decision(noted)


def _measure(
    registry: ModelRegistry, champion: Version, result: Evaluated, settings: Settings
) -> Measurement:
    """Return how well the champion does on the rows of the challenger.

    Raises:
        DataError: If the rows lack a column that it needs.
        ModelError: If it cannot be fetched or read.
    """
    pipeline, _ = load_model(registry.fetch(champion))
    predictions = predict(pipeline, result.test, result.subject.schema, settings)
    chosen = settings.evaluation
    return measure(
        predictions, chosen.confidence, chosen.bootstrap_samples, settings.seed
    )


def _write(result: Evaluated, decision: Decision, settings: Settings) -> None:
    """Write the decision for programs, for a pull request, and into the report."""
    reports = settings.paths.reports
    write_json(reports / "gate.json", decision.content())
    write_text(reports / "gate.md", decision.markdown())
    write_report(result.evaluation, result.subject, settings, decision)

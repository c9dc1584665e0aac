"""Promotion: a challenger is measured beside the champion, and decided on."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from src.evaluation.bootstrap import Measurement, measure
from src.evaluation.gate import Decision, Rule, decide
from src.evaluation.model_card import check_owner, write_card
from src.evaluation.performance import predict
from src.evaluation.report import write_report
from src.evaluation.run import Evaluated, evaluate_model
from src.models.artifact import load_model, load_record
from src.models.registry import ModelRegistry, Version, make_registry
from src.tracking.recording import record_decision, recorded_run
from src.utils.config import Settings
from src.utils.errors import DataError, ModelError
from src.utils.files import write_json, write_text

OTHER_ROWS = "The champion was trained on other rows, and test rows may be among them."


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
    a dry run, to the registry and to the run that made the model; the model card
    follows the champion.

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
    report = write_report(result.evaluation, result.subject, settings, decision)
    files = _write(decision, settings)
    if dry_run:
        return Outcome(decision, False, None)
    check_owner(settings)
    promoted = decision.passed or override
    tracker, run_id = recorded_run(result.subject.record, settings)
    with tracker.resume(run_id):  # first: where it cannot be recorded, nothing is done
        version = registry.register(model_path, why)
        registry.attach(version, "evaluation", report.content)
        registry.attach(version, "gate", decision.content())
        reason, details = f"{why}: {decision.why}", {"gate": decision.content()}
        if decision.passed:
            registry.promote(version, reason, details, over=champion)
        elif override:
            registry.promote(version, f"{reason}; promoted all the same", details)
        else:
            registry.reject(version, reason, details)
        if promoted:
            write_card(registry, settings, report.pictures)
        verdict = _verdict(decision, promoted)
        record_decision(tracker, run_id, version.number, verdict, files)
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
        decision = decide(result.evaluation, None, checks, settings)
        found = f"the champion cannot be measured on these rows: {error}"
        rule = Rule(f"Against version {champion.number}", found, "a comparison", False)
        return replace(decision, rules=[*decision.rules, rule])
    decision = decide(result.evaluation, theirs, checks, settings)
    ours = result.subject.record["data"]["files"]["train.csv"]["sha256"]
    if champion.record["data"]["files"]["train.csv"]["sha256"] == ours:
        return decision
    return replace(decision, notes=[*decision.notes, OTHER_ROWS])


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


def _write(decision: Decision, settings: Settings) -> list[Path]:
    """Write the decision for programs and for a pull request; return the files."""
    path = settings.paths.reports / "gate.json"
    write_json(path, decision.content())
    write_text(path.with_suffix(".md"), decision.markdown())
    return [path, path.with_suffix(".md")]


def _verdict(decision: Decision, promoted: bool) -> str:
    """Return what became of a challenger in a word."""
    if decision.passed:
        return "passed"
    return "overridden" if promoted else "refused"

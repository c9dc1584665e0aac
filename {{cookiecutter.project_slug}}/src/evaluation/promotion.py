"""Promotion: a challenger is measured beside the champion, and decided on."""

from pathlib import Path
from typing import NamedTuple

from src.data.schema import DataSchema
from src.evaluation.audits import run_audits
from src.evaluation.gate import Decision, decide
from src.evaluation.metrics import Measurement, measure
from src.evaluation.model_card import check_owner, write_card
from src.evaluation.performance import Inputs, Rule, evaluate, load_inputs, predict
from src.evaluation.report import write_report
from src.models.artifact import load_model, load_record
from src.models.registry import Registry, Version
from src.tracking.tracker import add_to_run
from src.utils.config import Settings
from src.utils.errors import DataError
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
    """Make a model the champion if it passes the gate, or with ``override`` anyhow.

    Writes the decision to ``gate.json``, ``gate.md`` and the report; unless it is a
    ``dry_run`` also to the registry and the run that made the model, and the model card
    follows. DataError, too, if another model has become champion meanwhile.
    """
    registry, reports = Registry(settings), settings.paths.reports
    files = [reports / "gate.json", reports / "gate.md"]
    champion = registry.at("champion")
    if champion and champion.sha256 == load_record(model_path)["model_sha256"]:
        text = f"### The model is version {champion.number}, the champion already\n"
        write_text(files[1], text)
        return Outcome(None, False, champion)
    inputs = load_inputs(model_path, settings.paths.processed / "test.csv", settings)
    evaluation = evaluate(inputs, settings)
    audits = run_audits(inputs, evaluation.predictions, settings)
    theirs, rules, notes = _measure_champion(registry, champion, inputs, settings)
    decision = decide(evaluation, theirs, audits, settings)
    decision.rules.extend(rules)
    decision.notes.extend(notes)
    content = write_report(evaluation, audits, inputs, settings, decision)
    write_json(files[0], decision.content())
    write_text(files[1], decision.markdown())
    if dry_run:
        return Outcome(decision, False, None)
    check_owner(settings)
    documents = {"evaluation": content, "gate": decision.content()}
    version, reason = registry.register(model_path, documents), f"{why}: {decision.why}"
    promoted, verdict = decision.passed or override, "passed"
    if not decision.passed:
        verdict = "overridden" if override else "refused"
        reason += "; promoted all the same" if override else ""
    if promoted:
        registry.promote(version, reason, current=champion)
        write_card(registry, settings)
    else:
        registry.reject(version, reason)
    try:
        found = {"version": version.number, "gate": verdict}
        add_to_run(settings, inputs.record, found, files)
    except DataError as error:
        done = f"in the registry, version {version.number} is {verdict} all the same"
        raise DataError(f"{error}; {done}") from None
    return Outcome(decision, promoted, version)


def roll_back(settings: Settings, why: str) -> tuple[Version, Version]:
    """Make the champion before champion again; the model card follows. Returns the
    champion and the one before this call; DataError if there was none."""
    check_owner(settings)
    registry = Registry(settings)
    versions = registry.rollback(why)
    write_card(registry, settings)
    return versions


def _measure_champion(
    registry: Registry, champion: Version | None, inputs: Inputs, settings: Settings
) -> tuple[Measurement | None, list[Rule], list[str]]:
    """Return how good the champion is on the test rows, or the rule that fails as it
    cannot be said, and what a reader should know besides."""
    if champion is None:
        return None, [], []
    try:
        pipeline, record = load_model(registry.fetch(champion))
        needed = DataSchema.model_validate(record["schema"]).features
        if absent := [name for name in needed if name not in inputs.test]:
            raise DataError(f"they lack its columns {absent}")  # no gaps: it had them
        said = predict(pipeline, inputs.test, inputs.schema, settings)
    except (DataError, KeyError, ValueError) as error:  # it may need another column
        found = f"the champion cannot be measured on these rows: {error}"
        name = f"Against version {champion.number}"
        return None, [Rule(name, found, "a comparison", False)], []
    ours, theirs = (of["data"]["files"]["train.csv"] for of in (inputs.record, record))
    return measure(said, settings), [], [] if ours == theirs else [OTHER_ROWS]

"""Decide whether the trained model becomes the champion, or go back to the one before.

    python scripts/promote.py --why "trained on the rows of May"
    python scripts/promote.py --rollback --why "complaints from customers"

The model is registered as the challenger and held against ``gate`` of
``config/pipeline_config.yaml``, beside the champion on test rows that neither was
trained on. A model that does not pass is refused, with exit status 1.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pandas import DataFrame

from src.data.columns import to_schema_types
from src.data.ingestion import raw_file, read_table
from src.data.preprocessing import divide
from src.data.schema import DataSchema
from src.data.splitting import later_than
from src.evaluation.audits import run_audits
from src.evaluation.gate import Decision, decide
from src.evaluation.metrics import Measurement, measure, predict
from scripts.model_card import card_path, check_owner, write_card
from src.evaluation.performance import Evaluation, Inputs, Rule
from src.evaluation.performance import evaluate, load_inputs
from src.evaluation.report import write_report
from src.models.artifact import Record, load_model, load_record
from src.models.registry import Registry, Version
from src.tracking.tracker import add_to_run
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import PreprocessingSettings, Settings
from src.utils.errors import DataError, ProjectError
from src.utils.files import sha256_of, write_json, write_text
from src.utils.markdown import escape, table


def main() -> None:
    """Parse the command line, then promote or roll back."""
    parser = config_parser("Decide whether the trained model becomes the champion.")
    text = "the model file (default: latest_model.joblib in paths.models)"
    parser.add_argument("--model-path", type=Path, help=text)
    text = "the reason, for the history"
    parser.add_argument("--why", default="promotion", help=text)
    text = "why the model passes if the champion cannot be measured on these rows"
    parser.add_argument("--over-champion", metavar="WHY", help=text)
    for option, text in (
        ("--dry-run", "decide, and change no registry"),
        ("--override", "promote even if a rule does not hold; the history says so"),
        ("--rollback", "go back to the champion before"),
    ):
        parser.add_argument(option, action="store_true", help=text)
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    if arguments.rollback:
        now, before = roll_back(settings, arguments.why)
        print(f"version {now.number} is the champion again, not {before.number}")
        print(f"next: review and commit {card_path(settings)}")
        return
    outcome = promote(
        arguments.model_path or settings.paths.models / "latest_model.joblib",
        settings,
        arguments.why,
        override=arguments.override,
        dry_run=arguments.dry_run,
        over_champion=arguments.over_champion,
    )
    print("\n".join(said(outcome)))
    if outcome.promoted:
        print(f"next: review and commit {card_path(settings)}")
    elif outcome.decision and not outcome.decision.passed:
        sys.exit(1)


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
    over_champion: str | None = None,
) -> Outcome:
    """Make a model the champion if it passes the gate, or with ``override`` anyhow.
    ``over_champion`` is why, if need be, it passes without a comparison.

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
    pair: list[Measurement] = []
    rules, notes = [], []
    if champion:
        try:
            path = registry.fetch(champion)
            pair, note = compare(path, inputs, evaluation, settings)
            notes.append(note)
        except ProjectError as error:
            problem = f"not compared with version {champion.number}, as {error}"
            if over_champion is None:
                expected = "a comparison, or --over-champion WHY"
                rules.append(Rule("Against the champion", problem, expected, False))
            else:
                why = f"{why}, over the champion: {over_champion}"
                notes.append(f"By hand: {problem}; {over_champion}.")
    decision = decide(evaluation, pair, audits, settings)
    decision.rules.extend(rules)
    decision.notes.extend(notes)
    content = write_report(evaluation, audits, inputs, settings, decision)
    write_json(files[0], decision.content())
    write_text(files[1], markdown(decision))
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


def compare(
    champion: Path, inputs: Inputs, evaluation: Evaluation, settings: Settings
) -> tuple[list[Measurement], str]:
    """Return how good model and champion are on the test rows that neither was trained
    on, each with its own columns of them, and how many these are; else DataError."""
    pipeline, record = load_model(champion)
    data, own, source = inputs.record["data"], inputs.schema, raw_file(settings)
    if sha256_of(source) != data["source_sha256"]:
        raise DataError(f"{source} is another file than it was; run `make data train`")
    if "trained_until" not in record["data"].keys() & data.keys():
        raise DataError("an older version of this code divided the rows")
    schema, raw = DataSchema.model_validate(record["schema"]), read_table(source)
    if schema.target != own.target:
        raise DataError(f"it predicts {schema.target!r}")
    if absent := [name for name in schema.used if name not in raw.columns]:
        raise DataError(f"the rows lack its columns {absent}")
    test, rows = divided(raw, own, data), to_schema_types(raw, schema)
    if until := record["data"]["trained_until"]:
        rows = rows[later_than(until, rows[schema.time_columns])]
    else:
        rows = divided(raw, schema, record["data"])
    unseen = test.index.isin(rows.index)
    if not unseen.any():
        raise DataError("it was trained on all test rows")
    rows, ours = rows.loc[test.index[unseen]], evaluation.predictions.take(unseen)
    positive = inputs.record.get("positive_class")
    theirs = predict(pipeline, rows, rows[schema.target], settings.task, positive)
    theirs = replace(theirs, y_true=ours.y_true, blocks=ours.blocks)  # to be paired
    pair = [measure(predictions, settings) for predictions in (ours, theirs)]
    of = f"{len(rows)} of {len(test)} test rows, which neither was trained on"
    return pair, f"Measured beside the champion on {of}."


def divided(raw: DataFrame, schema: DataSchema, data: Record) -> DataFrame:
    """Return the test rows of a model by the settings of its training, typed."""
    rules = PreprocessingSettings.model_validate(data["preprocessing"])
    return divide(to_schema_types(raw, schema), schema, rules, data["seed"])[0][1]


def said(outcome: Outcome) -> list[str]:
    """Return the rules and the notes, and what became of the model, line by line."""
    decision, version = outcome.decision, outcome.version
    number = f"version {version.number}" if version else "the model"
    if decision is None:
        return [f"{number} is the champion already"]
    lines = [
        f"{'ok' if rule.passed else 'NO':<3}{rule.name}: {rule.found}, "
        f"expected {rule.expected}"
        for rule in decision.rules
    ]
    lines += [*(f"{'':<3}{note}" for note in decision.notes), ""]
    if version is None:
        verdict = "would pass" if decision.passed else "would not pass"
        return [*lines, f"{number} {verdict} the gate; nothing was changed"]
    if outcome.promoted:
        return [*lines, f"{number} is the champion"]
    return [*lines, f"{number} is refused: {decision.why}"]


def markdown(decision: Decision) -> str:
    """Return a decision as a table for a pull request."""
    verdict = "passes" if decision.passed else "does **not** pass"
    rows = [["", "rule", "found", "expected"]]
    for *words, passed in decision.rules:
        rows.append(["✅" if passed else "❌", *map(escape, words)])
    notes = [f"\n{escape(note)}" for note in decision.notes]
    title = f"### The challenger {verdict} the gate\n"
    return "\n".join([title, *table(rows), *notes]) + "\n"


if __name__ == "__main__":
    run(main)

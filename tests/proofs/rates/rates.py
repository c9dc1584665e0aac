"""How often a window alarms: without any change, and with changes of known sizes.

The rows of the census that a model was not trained on are dealt out again and again:
some are the reference, others the window. In a project with monitoring::

    python -m tests.proofs.rates.rates rates.svg
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from pandas import DataFrame
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from src.data.columns import to_schema_types
from src.data.ingestion import read_table
from src.data.schema import DataSchema, load_schema
from src.evaluation.metrics import Predictions, predict
from src.features.creation import create_features, feature_columns
from src.features.transformation import fitted_steps
from src.models.factory import ModelFactory
from src.monitoring.drift import Check, check_features, check_predictions, decide
from src.monitoring.performance import check_performance
from src.monitoring.settings import MonitoringSettings
from src.utils.config import PROJECT_ROOT, Settings, load_settings

WINDOWS = 200
TRAINED, REFERENCE, ROWS = 1500, 1639, 500  # as many test rows as the project has
Change = Callable[[DataFrame, np.random.Generator], DataFrame]


class World(NamedTuple):
    """A model, and rows that it does not know."""

    settings: Settings
    schema: DataSchema
    pipeline: Any
    rows: DataFrame
    said: Predictions


def make_world() -> World:
    """Train the configured model on a part of the census."""
    settings = load_settings()
    content = settings.model_dump() | {"seed": 7}
    content["evaluation"]["bootstrap_samples"] = 100
    settings = Settings.model_validate(content)
    schema = load_schema(settings.data.schema_path, settings)
    source = PROJECT_ROOT / settings.data.source
    rows = to_schema_types(read_table(source), schema).drop_duplicates()
    known, rows = train_test_split(rows, train_size=TRAINED, random_state=7)
    model = ModelFactory.get_model(settings.model.type, task=settings.task, seed=7)
    steps = fitted_steps(settings.features, model.imputed, model.scaled, "binary")
    model.after(steps)
    columns = feature_columns(schema)
    model.fit(create_features(known, columns), known[schema.target])
    return World(
        settings, schema, model.pipeline, rows, said(model.pipeline, rows, schema)
    )


def said(pipeline: Any, rows: DataFrame, schema: DataSchema) -> Predictions:
    """Return what the model says of rows."""
    features, target = (
        create_features(rows, feature_columns(schema)),
        rows[schema.target],
    )
    return predict(pipeline, features, target, "classification", ">50K")


def windows(
    world: World,
    change: Change | None = None,
    labelled: bool = False,
    seed: int = 0,
    count: int = WINDOWS,
) -> Iterator[list[Check]]:
    """Yield what is decided of one window after the other, each with a reference of its
    own, and with the labels of all its rows or of none."""
    chosen = MonitoringSettings()
    for number in range(count):
        random = np.random.default_rng([seed, number])
        order = random.permutation(len(world.rows))
        parts = order[:REFERENCE], order[REFERENCE : REFERENCE + ROWS]
        old, new = (world.rows.iloc[part] for part in parts)
        both = [world.said.take(part) for part in parts]
        if change:
            new = change(new, random)
            both[1] = said(world.pipeline, new, world.schema)
        features = (part[world.schema.features] for part in (old, new))
        checks = [*check_features(*features, world.schema, chosen.alarm)]
        checks += check_predictions(*both, chosen.alarm)
        if not labelled:
            both[1] = replace(both[1], y_true=np.full(ROWS, None))
        found, _ = check_performance(*both, world.settings, chosen)
        yield decide(checks + found, chosen.alarm.rate)


def rate(found: Iterator[list[Check]], of: str = "") -> float:
    """Return the share of windows with an alarm, in a column or of a check if given."""
    alarms = [
        any(c.alarm and of in ("", c.column, c.check) for c in checks)
        for checks in found
    ]
    return float(np.mean(alarms))


def older(years: float) -> Change:
    """Everybody is so much older."""
    return lambda rows, _: rows.assign(age=rows["age"] + years)


def more_often(times: float) -> Change:
    """The self-employed are so many times as many."""

    def change(rows: DataFrame, random: np.random.Generator) -> DataFrame:
        of = rows["workclass"] == "Self-emp-not-inc"
        share = min(1.0, of.mean() * (times - 1) / (1 - of.mean()))
        turned = ~of & (random.random(len(rows)) < share)
        return rows.assign(workclass=rows["workclass"].mask(turned, "Self-emp-not-inc"))

    return change


def missing(share: float) -> Change:
    """The hours are missing in such a share of the rows."""
    return lambda rows, random: rows.assign(
        hours_per_week=rows["hours_per_week"].mask(random.random(len(rows)) < share)
    )


def flipped(share: float) -> Change:
    """The labels of such a share of the married are the wrong way round."""

    def change(rows: DataFrame, random: np.random.Generator) -> DataFrame:
        married = rows["marital_status"] == "Married-civ-spouse"
        turned = married & (random.random(len(rows)) < share)
        other = rows["income"].map({"<=50K": ">50K", ">50K": "<=50K"})
        return rows.assign(income=rows["income"].mask(turned, other))

    return change


# name, the sizes, how they change the rows, and whether labels have arrived
CHANGES: list[tuple[str, list[float], Callable[[float], Change], bool]] = [
    ("age + years", [1, 2, 3, 4, 5], older, False),
    ("self-employed × times", [1.25, 1.5, 1.75, 2, 2.5], more_often, False),
    ("hours missing, share", [0.02, 0.04, 0.06, 0.08, 0.1], missing, False),
    ("labels of the married flipped, share", [0.1, 0.2, 0.3, 0.4, 0.5], flipped, True),
]


def slow_drift(world: World, sequences: int) -> list[int]:
    """Return in which of ten windows each of some sequences alarms first, in which
    everybody gets half a year older from window to window; 11 for none."""
    first = np.full(sequences, 11)
    for number in range(10, 0, -1):
        found = windows(world, older(number / 2), seed=number, count=sequences)
        alarms = [any(check.alarm for check in checks) for checks in found]
        first[alarms] = number
    return first.tolist()


def draw(world: World) -> Figure:
    """Measure, and draw how often a window alarms by the size of a change."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, 3, sharey=True).flat
    nothing = [rate(windows(world, labelled=labelled)) for labelled in (False, True)]
    for (name, sizes, change, labelled), axes in zip(CHANGES, panels, strict=False):
        found = [
            rate(windows(world, change(size), labelled)) for size in tqdm(sizes, name)
        ]
        start = 1.0 if "×" in name else 0.0
        axes.plot([start, *sizes], [nothing[labelled], *found], marker="o")
        axes.set(title=name, xlabel="size of the change", ylim=(0, 1.02))
    *_, slow, text = panels
    first = slow_drift(world, WINDOWS)
    share = [np.mean(np.array(first) <= number) for number in range(1, 11)]
    slow.plot(range(1, 11), share, marker="o")
    slow.set(title="age + half a year a window", xlabel="windows until the first alarm")
    for axes in (*figure.axes[:5],):
        axes.axhline(MonitoringSettings().alarm.rate, color="gray", linestyle="--")
        axes.set(ylabel="share of windows with an alarm")
    text.axis("off")
    told = [
        "Without any change",
        f"{nothing[0]:.1%} of windows alarm without labels,",
        f"{nothing[1]:.1%} with labels of all rows;",
        "the dashed line is the rate configured.",
        "",
        f"Each point: {WINDOWS} windows of {ROWS} rows,",
        f"held against {REFERENCE} rows of the census.",
    ]
    text.text(0, 0.95, "\n".join(told), va="top")
    return figure


if __name__ == "__main__":
    draw(make_world()).savefig(Path(sys.argv[1]))

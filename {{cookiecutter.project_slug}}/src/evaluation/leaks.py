"""Whether features give the target away, so that the figures are too good to be true.

What alone predicts nearly every row is rarely known before the target. The data schema
can say of a column how it is (``no_leak``), which lets it pass.
"""

from src.data.leaks import MEASURES, strength, summed
from src.evaluation.performance import Audit, Inputs, Rule, Table
from src.utils.config import Settings, Task

# From these on, it is taken for a leak.
LIMITS: dict[Task, float] = {"classification": 0.99, "regression": 0.98}
SUM_LIMIT = 0.9999  # of the target's variance, by a weighted sum of columns
SHOWN = 10
INTRO = """\
How well each feature alone predicts the target, by a shallow tree on folds of the
training rows. From {} on, a feature is taken for a leak, unless no_leak says in
config/data_schema.yaml how it is known before the target."""


def audit_leaks(inputs: Inputs, settings: Settings) -> Audit:
    """Measure each feature alone, and the sum of the numbers, on the training rows."""
    schema, train, task = inputs.schema, inputs.train, settings.task
    limit, measure, target = LIMITS[task], MEASURES[task], train[schema.target]
    found = {n: strength(train[n], target, task) for n in schema.features}
    found = dict(sorted(found.items(), key=lambda item: -item[1]))
    allowed = {n: schema.columns[n].no_leak for n in schema.features}
    leaks = [n for n, value in found.items() if value >= limit and not allowed[n]]
    expected = f"below {limit}, or no_leak in config/data_schema.yaml"
    told = [(f"{n} alone", f"{measure} {found[n]:.4f}", expected) for n in leaks]
    numeric = [n for n in found if schema.columns[n].type in ("integer", "number")]
    if task == "regression":
        rest = {n: train[n] for n in numeric if found[n] < limit and not allowed[n]}
        if parts := summed(rest, target, SUM_LIMIT):
            share = f"at least {SUM_LIMIT} of the variance"
            told.append((f"a sum of {', '.join(parts)}", share, "less, or no_leak"))
    rules = [Rule(*words, False) for words in told]
    if not rules:
        name, value = next(iter(found.items()))
        rules = [Rule("Leaks", f"{name} alone: {measure} {value:.4f}", expected, True)]
    lines = [[n, f"{v:.4f}", allowed[n]] for n, v in [*found.items()][:SHOWN]]
    table = Table("Alone", ["column", measure, "no leak, as"], lines)
    return Audit("leaks", INTRO.format(limit), [table], {}, rules, {"alone": found})

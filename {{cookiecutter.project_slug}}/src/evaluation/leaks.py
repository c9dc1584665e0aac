"""Whether columns give the target away: what alone predicts nearly every row is rarely
known before the target. The data schema can say how it is (``no_leak``)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tqdm import tqdm

from src.data.columns import Column
from src.evaluation.performance import Audit, Inputs, Rule, Table
from src.utils.config import Settings, Task

MEASURES = {"classification": "ROC AUC", "regression": "R²"}
LIMITS = {"classification": 0.99, "regression": 0.98}  # from these on, it is a leak
SUM_LIMIT = 0.9999  # of the target's variance, by a weighted sum of columns
FOLDS, MIN_ROWS, MAX_ROWS = 3, 20, 20_000  # with fewer rows, chance alone is as good
TREE: dict[str, Any] = {"max_depth": 6, "min_samples_leaf": 3, "random_state": 0}


def audit_leaks(inputs: Inputs, settings: Settings) -> Audit:
    """Measure each feature alone, and the sum of the numbers, on the training rows."""
    schema, train, task = inputs.schema, inputs.train, settings.task
    limit, measure, target = LIMITS[task], MEASURES[task], train[schema.target]
    names = tqdm(schema.features, "leaks", disable=None, leave=False)
    found = {n: strength(train[n], target, task) for n in names}
    found = dict(sorted(found.items(), key=lambda item: -item[1]))
    allowed = {n: schema.columns[n].no_leak for n in schema.features}
    leaks = [n for n, value in found.items() if value >= limit and not allowed[n]]
    expected = f"below {limit}, or no_leak in config/data_schema.yaml"
    told = {f"{n} alone": f"{measure} {found[n]:.4f}" for n in leaks}
    numeric = [n for n in found if schema.columns[n].type in ("integer", "number")]
    rest = {n: train[n] for n in numeric if n not in leaks and not allowed[n]}
    if task == "regression" and (parts := summed(rest, target, SUM_LIMIT)):
        told[f"a sum of {', '.join(parts)}"] = f"{SUM_LIMIT:.2%} of the variance"
    rules = [Rule(name, value, expected, False) for name, value in told.items()]
    if not rules:
        name, value = next(iter(found.items()))
        rules = [Rule("Leaks", f"{name} alone: {measure} {value:.4f}", expected, True)]
    lines = [[n, f"{v:.4f}", allowed[n]] for n, v in [*found.items()][:10]]
    table = Table("Alone", ["column", measure, "no leak, as"], lines)
    return Audit("leaks", [table], {}, rules, {"limit": limit, "alone": found})


def strength(column: Column, target: Column, task: Task) -> float:
    """Return how well a typed column alone predicts the target: the ROC AUC (the mean
    over classes), or the R² (of values or ranks), of a shallow tree on folds of rows
    (the predictive power score of Wetschoreck et al., 2020); 0 of too few rows."""
    rows = pd.DataFrame({"x": column, "y": target}).dropna(subset="y")
    if task == "classification":
        rows = rows[rows.groupby("y")["y"].transform("size") >= FOLDS + 2]
    rows = rows.sample(min(len(rows), MAX_ROWS), random_state=0)
    if len(rows) < MIN_ROWS or rows["y"].nunique() < 2 or rows["x"].nunique() == 0:
        return 0.0
    x, y, scores = rows["x"], rows["y"], [0.0]
    if is_datetime64_any_dtype(x):
        x = (x - x.min()).dt.total_seconds()
    if is_numeric_dtype(x):
        scores.append(_score(x.to_frame(), y, task))
    if 2 * x.nunique() <= len(x):  # it repeats: a name, even if it is a number
        codes = pd.DataFrame({"x": pd.factorize(x)[0]})
        scores.append(_score(codes, y, task, are_names=True))
    return max(scores)


def _score(X: pd.DataFrame, y: Column, task: Task, are_names: bool = False) -> float:
    numeric, shuffled = task == "regression", {"shuffle": True, "random_state": 0}
    folds: Any = (KFold if numeric else StratifiedKFold)(FOLDS, **shuffled)
    tree = (DecisionTreeRegressor if numeric else DecisionTreeClassifier)(**TREE)
    encoder = TargetEncoder(cv=folds, target_type="continuous" if numeric else "auto")
    model = make_pipeline(encoder, tree) if are_names else tree
    if numeric:
        goals = y.to_numpy(), y.rank().to_numpy()
        said = (cross_val_predict(model, X, goal, cv=folds) for goal in goals)
        return max(float(r2_score(*pair)) for pair in zip(goals, said, strict=True))
    labels = pd.factorize(y)[0]
    said = cross_val_predict(model, X, labels, cv=folds, method="predict_proba")
    said = said[:, 1] if said.shape[1] == 2 else said
    return float(roc_auc_score(labels, said, multi_class="ovr"))


def summed(numbers: Mapping[str, Column], target: Column, least: float) -> list[str]:
    """Return the columns without gaps whose weighted sum, by least squares, explains
    the share ``least`` of the target's variance; none if there is no such sum."""
    goal = target.dropna()
    columns = pd.DataFrame(numbers, goal.index).dropna(axis="columns")
    if columns.empty or len(goal) < max(MIN_ROWS, 2 * columns.shape[1]):
        return []
    X = StandardScaler().fit_transform(columns)
    fit = LinearRegression().fit(X, goal)
    if fit.score(X, goal) < least:
        return []
    parts = fit.coef_**2 > (1 - least) * goal.var()
    return [str(name) for name in columns.columns[parts]]

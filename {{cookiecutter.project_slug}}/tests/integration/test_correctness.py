"""Correct by construction: what is fitted where, and who looks at the test set."""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_curve

from src.data.preprocessing import preprocess
from src.data.processed import load_processed
from src.data.schema import load_schema
from src.features.selection import FeatureSelector
from src.features.transformation import fitted_steps
from src.models.artifact import load_model
from src.models.base import BaseModel
from src.models.factory import ModelFactory
from src.training.threshold import check_tunable, choose_threshold
from src.training.strategies import make_strategy
from src.training.train import ModelTrainer, train
from src.training.validation import cross_predict, make_folds
from src.utils.config import PROJECT_ROOT, FeatureSettings, Settings
from src.utils.errors import ModelError
from tests.fixtures.synthetic import TARGET, bring, make_settings

MakeProject = Callable[..., Settings]
Spied = list[tuple[str, pd.Index]]

SEARCH = {"trials": 2, "space": {"linear": {"C": {"low": 0.1, "high": 1.0}}}}
WAYS: dict[str, dict[str, Any]] = {
    "standard": {},
    "cross_validation": {"training": {"strategy": "cross_validation", "folds": 3}},
    "search": {
        "training": {"strategy": "hyperparameter_search", "folds": 3},
        "search": SEARCH,
    },
    "tuned threshold": {"training": {"decision_threshold": "tuned", "folds": 3}},
    "cross_validation, tuned threshold": {
        "training": {
            "strategy": "cross_validation",
            "decision_threshold": "tuned",
            "folds": 3,
        },
    },
    "search, tuned threshold": {
        "training": {
            "strategy": "hyperparameter_search",
            "decision_threshold": "tuned",
            "folds": 3,
        },
        "search": SEARCH,
    },
}
# The scores of a trial of a search are kept, what it predicts is not.
FITS = {
    "standard": 1,
    "cross_validation": 3 + 1,
    "search": 2 * 3 + 1,
    "tuned threshold": 1 + 3,
    "cross_validation, tuned threshold": 3 + 1,
    "search, tuned threshold": 2 * 3 + 1 + 3,
}
# Besides these, only what writes the file knows of it.
READERS_OF_THE_TEST_SET = {
    "notebooks/analysis/analyse_errors.ipynb",
    "scripts/evaluation.py",
    "src/evaluation/promotion.py",
    "src/evaluation/run.py",
    "src/models/onnx_export.py",  # holds an export against its model, without targets
}


def split(make_project: MakeProject, **sections: Any) -> Settings:
    settings = make_project(rows=240, **sections)
    bring(settings)
    preprocess(settings)
    return settings


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spied]:
    """Which rows fitted steps are fitted to, and models predict, in their order."""
    seen: Spied = []
    fit, predict_proba = FeatureSelector.fit, BaseModel.predict_proba

    def spy_fit(self: Any, X: pd.DataFrame, y: object = None) -> Any:
        seen.append(("fit", X.index))
        return fit(self, X, y)

    def spy_predict(self: Any, X: pd.DataFrame) -> Any:
        seen.append(("predict", X.index))
        return predict_proba(self, X)

    monkeypatch.setattr(FeatureSelector, "fit", spy_fit)
    monkeypatch.setattr(BaseModel, "predict_proba", spy_predict)
    yield seen


@pytest.mark.parametrize("way", [way for way in WAYS if way != "standard"])
def test_steps_are_fitted_without_the_rows_that_the_fold_predicts(
    make_project: MakeProject, spied: Spied, way: str
) -> None:
    settings = split(make_project, **WAYS[way])

    train(settings)

    whole = max(len(index) for _, index in spied)
    folds = 0
    for (what, fitted), (then, predicted) in zip(spied, spied[1:], strict=False):
        if what == "fit" and then == "predict" and len(fitted) < whole:
            assert not set(fitted) & set(predicted)
            folds += 1
    assert folds >= 3
    assert sum(what == "fit" for what, _ in spied) >= folds + 1, "and one on all rows"


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_fitted_twice(
    make_project: MakeProject, spied: Spied, way: str
) -> None:
    settings = split(make_project, **WAYS[way])

    train(settings)

    assert sum(what == "fit" for what, _ in spied) == FITS[way]


def test_what_a_fold_predicts_for_a_row_depends_on_no_other_row_of_that_fold(
    make_project: MakeProject,
) -> None:
    settings = split(make_project, task="regression", **WAYS["cross_validation"])
    schema = load_schema(settings.data.schema_path, settings)
    rows = load_processed(settings, "train")
    _, (first, *others) = make_folds(settings, rows[TARGET])[0]
    changed = rows.copy()
    changed.iloc[others] = rows.iloc[first]
    changed.iloc[others, changed.columns.get_indexer(["income", TARGET])] = 1e6

    def predicted(frame: pd.DataFrame) -> Any:
        strategy = make_strategy(settings)
        trainer = ModelTrainer(settings, schema, strategy)
        trainer.train(trainer.build_model(), trainer.preprocess(frame))
        return strategy.fold_predictions

    before, after = predicted(rows), predicted(changed)
    assert after[0].y_pred[0] == before[0].y_pred[0]
    assert after[1].y_pred[0] != before[1].y_pred[0], "the change does not matter"


def strings(source: str) -> Iterator[str]:
    """Yield the texts in a program, and what it calls ``load_processed`` with."""
    tree = ast.parse(source)
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in said:  # a docstring
                yield node.value
        if isinstance(node, ast.Call) and "load_processed" in ast.unparse(node.func):
            yield ast.unparse(node)


def test_only_the_evaluation_reads_the_test_set() -> None:
    patterns = ("src/**/*.py", "scripts/*.py", "notebooks/*/*.ipynb")
    readers = set()
    for path in (p for pattern in patterns for p in PROJECT_ROOT.glob(pattern)):
        text = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            cells = json.loads(text)["cells"]
            code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
            lines = "\n".join(code).splitlines()
            text = "\n".join(x for x in lines if not x.startswith(("%", "!")))
        reads = any(
            found.endswith("test.csv")
            or found.startswith("load_processed")
            and not found.endswith("'train')")
            for found in strings(text)
        )
        if reads:
            readers.add(path.relative_to(PROJECT_ROOT).as_posix())

    assert readers <= READERS_OF_THE_TEST_SET
    assert "src/evaluation/run.py" in readers


@pytest.mark.parametrize("way", WAYS)
def test_the_test_set_changes_nothing_of_a_training(
    make_project: MakeProject, way: str
) -> None:
    settings = split(make_project, **WAYS[way])
    model = settings.paths.models / "latest_model.joblib"
    train(settings)
    digest = load_model(model)[1]["model_sha256"]
    (settings.paths.models / "search.db").unlink(missing_ok=True)

    test = settings.paths.processed / "test.csv"
    test.write_text(f"{TARGET}\npoison\n", encoding="utf-8")
    train(settings)
    poisoned = load_model(model)[1]["model_sha256"]
    (settings.paths.models / "search.db").unlink(missing_ok=True)
    test.unlink()
    train(settings)

    assert poisoned == digest == load_model(model)[1]["model_sha256"]


def overfitted() -> tuple[BaseModel, pd.DataFrame, pd.Series]:
    """Return a model that knows its rows by heart, and noisy, unbalanced rows."""
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
    chance = 1 / (1 + np.exp(2 - 1.5 * X["a"]))
    y = pd.Series(np.where(rng.random(300) < chance, "yes", "no"))
    model = ModelFactory.get_model(
        "random_forest", task="classification", n_estimators=30, min_samples_leaf=1
    )
    return model.after(fitted_steps(FeatureSettings(), model.scaled)), X, y


def test_the_threshold_is_chosen_on_rows_that_the_model_was_not_fitted_to() -> None:
    model, X, y = overfitted()
    folds = make_folds(make_settings(Path(), "classification"), y)

    chosen = choose_threshold(cross_predict(model, X, y, folds))

    inner = model.clone().fit(X, y).predict_proba(X)
    assert inner is not None
    false_alarms, found, thresholds = roc_curve(y == "yes", inner[:, 1])
    by_heart = thresholds[1:][np.argmax((found - false_alarms)[1:])]
    assert abs(chosen - by_heart) > 0.05


def test_a_tuned_threshold_is_better_between_the_folds_than_one_half() -> None:
    model, X, y = overfitted()
    folds = make_folds(make_settings(Path(), "classification"), y)

    chosen = choose_threshold(cross_predict(model, X, y, folds))

    scores = pd.Series(0.0, index=X.index)
    for fit, predict in folds:
        shares = (
            model.clone().fit(X.iloc[fit], y.iloc[fit]).predict_proba(X.iloc[predict])
        )
        assert shares is not None
        scores.iloc[predict] = shares[:, 1]
    tuned, plain = (
        balanced_accuracy_score(y == "yes", scores >= t) for t in (chosen, 0.5)
    )
    assert tuned > plain


def test_the_saved_model_predicts_by_its_threshold(make_project: MakeProject) -> None:
    settings = split(make_project, **WAYS["tuned threshold"])

    train(settings)

    pipeline, record = load_model(settings.paths.models / "latest_model.joblib")
    rows = pd.read_csv(settings.paths.processed / "test.csv")
    positive = pipeline.predict_proba(rows)[:, 1] >= record["decision_threshold"]
    assert (pipeline.predict(rows) == np.where(positive, "yes", "no")).all()
    assert record["decision_threshold"] != 0.5
    assert record["hyperparameters"]["C"] == 1.0
    assert record["classes"] == ["no", "yes"]


def test_a_threshold_for_a_number_is_refused_before_anything_is_fitted(
    make_project: MakeProject, spied: Spied
) -> None:
    settings = split(make_project, task="regression", **WAYS["tuned threshold"])

    with pytest.raises(ModelError, match="decision_threshold: .* of two classes"):
        train(settings)

    assert spied == []


def test_a_threshold_between_three_classes_is_refused() -> None:
    with pytest.raises(ModelError, match="two classes, not of 3 values"):
        check_tunable("classification", pd.Series(["a", "b", "c", "a"]))
    check_tunable("classification", pd.Series(["a", "b", "a"]))


def test_a_threshold_needs_both_classes_in_every_fold() -> None:
    model, X, y = overfitted()
    one = np.flatnonzero(y == "no")
    predictions = cross_predict(model, X, y, [(one, one)])

    with pytest.raises(ModelError, match="a fold has rows of one class only"):
        choose_threshold(predictions)

"""Correct by construction: what is fitted where, and who looks at the test set."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from src.data.columns import to_schema_types
from src.features.selection import FeatureSelector
from src.training.train import ModelTrainer
from src.utils.config import PROJECT_ROOT
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import make_frame, make_schema

READERS_OF_THE_TEST_SET = {
    "notebooks/analysis/analyse_errors.ipynb",
    "scripts/evaluation.py",
    "scripts/promote.py",
    "src/data/preprocessing.py",
    "src/evaluation/performance.py",
}
SEARCH = {"trials": 2, "space": {"linear": {"C": {"low": 0.1, "high": 1.0}}}}
WAYS: dict[str, dict[str, Any]] = {
    "standard": {},
    "cross_validation": {"training": {"strategy": "cross_validation", "folds": 3}},
    "search": {
        "training": {"strategy": "hyperparameter_search", "folds": 3},
        "search": SEARCH,
    },
    "threshold": {"training": {"decision_threshold": "tuned", "folds": 3}},
}
IN_FOLDS = {"standard": 0, "cross_validation": 3, "search": 6, "threshold": 3}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, set[int]]]]:
    """Which rows the selection, the first fitted step, is fitted to, and which it
    then transforms to be predicted, in their order."""
    found: list[tuple[str, set[int]]] = []
    fit, transform = FeatureSelector.fit, FeatureSelector.transform

    def spy_fit(self: Any, X: pd.DataFrame, y: object = None) -> Any:
        found.append(("fit", set(X.index)))
        return fit(self, X, y)

    def spy_transform(self: Any, X: pd.DataFrame) -> Any:
        found.append(("transform", set(X.index)))
        return transform(self, X)

    monkeypatch.setattr(FeatureSelector, "fit", spy_fit)
    monkeypatch.setattr(FeatureSelector, "transform", spy_transform)
    yield found


@pytest.mark.parametrize("way", WAYS)
def test_steps_are_fitted_without_the_rows_that_the_fold_predicts(
    make_project: ProjectMaker, seen: list[tuple[str, set[int]]], way: str
) -> None:
    schema = make_schema("classification")
    trainer = ModelTrainer(make_project(**WAYS[way]), schema)
    rows = to_schema_types(make_frame("classification"), schema)
    trainer.train(trainer.build_model(), trainer.preprocess(rows))

    whole = max(len(rows) for _, rows in seen)
    fitted, folds = set[int](), 0
    for what, rows in seen:
        if what == "fit":
            fitted = rows
            folds += len(rows) < whole
        elif len(fitted) < whole and len(rows) < whole:
            assert rows == fitted or not rows & fitted
    assert folds == IN_FOLDS[way]


def test_only_the_evaluation_reads_the_test_set() -> None:
    readers = set()
    for pattern in ("src/**/*.py", "scripts/*.py", "notebooks/*/*.ipynb"):
        for path in PROJECT_ROOT.glob(pattern):
            code = path.read_text("utf-8").replace("\\", "").replace("'", '"')
            if 'test.csv"' in code or 'load_processed(settings, "test")' in code:
                readers.add(path.relative_to(PROJECT_ROOT).as_posix())

    assert readers <= READERS_OF_THE_TEST_SET
    assert "src/evaluation/performance.py" in readers

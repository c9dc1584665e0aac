"""The split, in more detail."""

import pandas as pd
import pytest

from src.data.preprocessing import preprocess, split_rows
from src.utils.config import Settings, SplitSettings
from src.utils.errors import DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring


def files_of(settings: Settings) -> dict[str, bytes]:
    """Return the processed files, by name."""
    folder = settings.paths.processed
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def split(
    frame: pd.DataFrame, method: str, test_size: float, *time_columns: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows divided by the method, with the target ``label``."""
    content = {"method": method, "test_size": test_size, "time_columns": time_columns}
    return split_rows(frame, "label", SplitSettings.model_validate(content), seed=0)


def test_the_same_inputs_give_the_same_bytes(make_project: ProjectMaker) -> None:
    settings = make_project()
    bring(settings)
    preprocess(settings)
    before = files_of(settings)
    preprocess(settings)
    assert files_of(settings) == before
    preprocess(settings.model_copy(update={"seed": 1}))
    assert files_of(settings)["test.csv"] != before["test.csv"]


def test_a_stratified_split_keeps_the_shares_of_the_classes() -> None:
    frame = pd.DataFrame({"label": ["a"] * 80 + ["b"] * 20})
    _, test = split(frame, "stratified", 0.25)
    assert test["label"].value_counts().to_dict() == {"a": 20, "b": 5}
    with pytest.raises(DataError, match="preprocessing.split .* only 1.*to random$"):
        split(frame[:81], "stratified", 0.25)

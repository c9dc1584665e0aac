"""From raw rows to training and test rows: repeatable, disjoint, all or nothing."""

from pathlib import Path

import pandas as pd
import pytest

from src.data.ingestion import ingest
from src.data.preprocessing import load_processed, preprocess, read_rows, split_rows
from src.utils.config import Settings, SplitSettings, Task
from src.utils.errors import ConfigError, DataError
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


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_row_is_in_one_set_and_reads_back_as_it_was(
    task: Task, make_project: ProjectMaker
) -> None:
    settings = make_project(task)
    schema = bring(settings)
    preprocess(settings)
    train, test = load_processed(settings, "train"), load_processed(settings, "test")
    assert (len(train), len(test)) == (240, 60)
    source = read_rows(Path(settings.data.source), schema)
    order = list(source.columns)
    pd.testing.assert_frame_equal(
        pd.concat([train, test]).sort_values(order, ignore_index=True),
        source.sort_values(order, ignore_index=True),
    )


@pytest.mark.parametrize(("by", "dropped"), [(False, 0), (True, 3), (["city"], 95)])
def test_rows_that_repeat_another_are_data_unless_the_settings_tell_them_apart(
    make_project: ProjectMaker, by: bool | list[str], dropped: int
) -> None:
    settings = make_project(rows=100, preprocessing={"drop_duplicates": by})
    frame = pd.read_csv(settings.data.source)
    frame = pd.concat([frame, frame.iloc[[5, 5, 7]]], ignore_index=True)
    frame.loc[:3, "outcome"] = None
    frame.to_csv(settings.data.source, index=False)
    bring(settings)
    manifest = preprocess(settings)
    assert manifest["removed"] == {"duplicates": dropped, "without_target": 4}
    assert sum(file["rows"] for file in manifest["files"].values()) == 99 - dropped
    assert manifest["repeated"] == max(3 - dropped, 0)


def test_a_split_by_time_tests_on_later_moments_only() -> None:
    frame = pd.DataFrame({"n": range(10), "month": [2] * 6 + [1] * 4})
    train, test = split(frame, "time", 0.2, "month")
    assert (train["n"].tolist(), test["n"].tolist()) == ([6, 7, 8, 9], [*range(6)])
    assert split(frame, "time", 0.3)[1]["n"].tolist() == [7, 8, 9]
    with pytest.raises(DataError, match="nothing is left to train on"):
        split(frame[:6], "time", 0.2, "month")
    with pytest.raises(ConfigError, match=r"time_columns: found \['hour'\], expected"):
        split(frame, "time", 0.3, "hour")


def test_processed_rows_are_refused_unless_they_are_the_last_finished_ones(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(rows=60)
    bring(settings)
    preprocess(settings)
    path, other = (
        settings.paths.processed / "train.csv",
        files_of(settings)["train.csv"],
    )
    preprocess(settings.model_copy(update={"seed": 1}))
    path.write_bytes(other)
    with pytest.raises(DataError, match="train.csv: missing or changed"):
        load_processed(settings, "train")
    with settings.data.schema_path.open("a") as file:
        file.write("# another contract\n")
    with pytest.raises(DataError, match="data_schema.yaml: missing or changed"):
        load_processed(settings, "test")
    Path(settings.data.source).write_text("other\n1\n")
    ingest(settings.data.source, settings.paths.data / "raw")
    with pytest.raises(DataError, match="presence: the column is absent"):
        preprocess(settings)
    with pytest.raises(DataError, match="manifest.json: file not found; run"):
        load_processed(settings, "train")

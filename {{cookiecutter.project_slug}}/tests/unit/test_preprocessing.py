"""From a source to training and test rows: repeatable, disjoint, all or nothing."""

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from src.data.ingestion import ingest, read_table
from src.data.preprocessing import load_processed, preprocess, read_rows
from src.data.schema import DataSchema
from src.data.splitting import split_rows
from src.utils.config import Settings, SplitSettings, Task
from src.utils.errors import DataError
from src.utils.files import sha256_of
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring


def files_of(settings: Settings) -> dict[str, bytes]:
    """Return the processed files, by name."""
    folder = settings.paths.processed
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def split(
    frame: pd.DataFrame, test_size: float = 0.2, gap: float = 0, **named: Any
) -> tuple[list[int], list[int]]:
    """Return the column ``n`` of training and of test rows; the target is ``label``."""
    content: dict[str, Any] = {n: {"type": "number"} for n in frame}
    content["label"] = {"type": "category", "role": "target"}
    schema = DataSchema.model_validate({"name": "made", "columns": content, **named})
    rows = frame.assign(label="a").astype({n: float for n in frame})
    parts = split_rows(rows, schema, SplitSettings(test_size=test_size, gap=gap), 0)
    return parts[0]["n"].tolist(), parts[1]["n"].tolist()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_row_is_in_one_set_and_reads_back_as_it_was(
    task: Task, make_project: ProjectMaker
) -> None:
    settings = make_project(task)
    schema = bring(settings)
    preprocess(settings)
    train, test = load_processed(settings, "train"), load_processed(settings, "test")
    assert len(train) + len(test) == 300 and 40 < len(test) < 80
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


def test_rows_that_are_added_or_come_in_another_order_move_no_other_row() -> None:
    frame = pd.DataFrame({"n": range(1000)})
    frame["x"] = frame["n"] % 7
    test = set(split(frame)[1])
    assert 150 < len(test) < 250
    assert set(split(frame.sample(frac=1, random_state=1))[1]) == test
    assert set(split(frame.head(600))[1]) == {n for n in test if n < 600}
    assert set(split(frame, test_size=0.3)[1]) > test


def test_a_group_is_in_one_set_alone() -> None:
    frame = pd.DataFrame({"n": range(600)})
    frame["owner"] = frame["n"] // 6
    train, test = split(frame, group_column="owner")
    assert len(train) + len(test) == 600 and 60 < len(test) < 180
    assert not {n // 6 for n in train} & {n // 6 for n in test}


def test_a_split_by_time_tests_on_later_moments_only() -> None:
    frame = pd.DataFrame({"n": range(10), "month": [2] * 6 + [1] * 4})
    month: Any = {"time_columns": ["month"]}
    assert split(frame, **month) == ([6, 7, 8, 9], [*range(6)])
    assert split(frame, 0.3, time_columns=["n"]) == ([*range(7)], [7, 8, 9])
    assert split(frame, 0.3, gap=2, time_columns=["n"])[0] == [*range(5)]
    with pytest.raises(DataError, match="0 training and 6 test rows of 6; expected"):
        split(frame[:6], **month)


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


def test_a_source_is_copied_unchanged_with_its_digest(tmp_path: Path) -> None:
    source = tmp_path / "my data.csv.gz"
    for content in (gzip.compress(b"a,b\n1,2\n"), b"changed"):
        source.write_bytes(content)
        raw = ingest(str(source), tmp_path / "raw")
        assert raw.read_bytes() == content
        record = (tmp_path / "raw/my data.csv.gz.sha256").read_text()
        assert record.endswith(f"\n{sha256_of(source)}  my data.csv.gz\n")


def test_a_table_is_read_as_text_with_any_separator(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a b": ["1", "x;y, z"], "c|": ["007", "1.0"]})
    for separator in ",;":
        frame.to_csv(tmp_path / "t", sep=separator, index=False, encoding="utf-8-sig")
        pd.testing.assert_frame_equal(read_table(tmp_path / "t"), frame)


def test_an_unusable_file_is_refused_in_one_line(tmp_path: Path) -> None:
    for content in (b"a,b\n", b"a\n\xff\n", b"PAR1, yet no Parquet"):
        (tmp_path / "table.csv").write_bytes(content)
        with pytest.raises(DataError, match=r"^.*table\.csv: .*; expected .*$"):
            read_table(tmp_path / "table.csv")

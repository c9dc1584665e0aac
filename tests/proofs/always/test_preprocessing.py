"""From raw rows to training and test rows: repeatable, disjoint, all or nothing."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import data_download
from scripts.data_download import download
from scripts.evaluation import evaluate_files
from src.data import preprocessing
from src.data.ingestion import ingest
from src.data.preprocessing import load_processed, preprocess, read_rows
from src.data.schema import DataSchema, write_schema
from src.data.splitting import later_than, row_keys, split_rows
from src.training.train import train
from src.utils.config import PROJECT_ROOT, Settings, SplitSettings
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring

KILLS = 4
# Reads a number of seconds from each line, and for that long lets a child preprocess
# again and again, with one seed and then the other; then kills it. One process that
# has imported everything and forks is much faster than one for each kill.
DRIVER = """
import itertools, os, signal, sys, time
from src.data.preprocessing import preprocess
from src.utils.config import Settings
settings = Settings.model_validate_json(open(sys.argv[1]).read())
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        for seed in itertools.cycle([1, 2]):
            preprocess(settings.model_copy(update={"seed": seed}))
    time.sleep(float(line))
    os.kill(child, signal.SIGKILL)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


def files_of(settings: Settings) -> dict[str, bytes]:
    """Return the processed files, by name."""
    folder = settings.paths.processed
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def replace_source(settings: Settings, frame: pd.DataFrame) -> None:
    """Make ``frame`` the ingested source."""
    frame.to_csv(settings.data.source, index=False)
    ingest(settings.data.source, settings.paths.data / "raw")


def frame_of(count: int) -> pd.DataFrame:
    """Return typed rows that are numbered in the column ``n``."""
    return pd.DataFrame({"n": np.arange(count, dtype="float64"), "label": "a"})


def schema_of(time_columns: list[str], **named: Any) -> DataSchema:
    """Return the schema of such rows, with a column of their owners."""
    columns: Any = {"n": {"type": "number"}, "label": {"type": "category"}}
    columns["label"]["role"] = "target"
    columns["owner"] = {"type": "category", "role": "ignored"}
    content = {"name": "made", "columns": columns, "time_columns": time_columns}
    return DataSchema.model_validate(content | named)


def test_the_same_inputs_give_the_same_bytes(make_project: ProjectMaker) -> None:
    settings = make_project()
    bring(settings)
    preprocess(settings)
    before = files_of(settings)
    preprocess(settings)
    assert files_of(settings) == before
    preprocess(settings.model_copy(update={"seed": 1}))
    assert files_of(settings)["test.csv"] != before["test.csv"]


def test_a_column_that_is_not_there_tells_no_rows_apart(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(rows=50, preprocessing={"drop_duplicates": ["id"]})
    bring(settings)
    with pytest.raises(ConfigError, match=r"drop_duplicates: found \['id'\], expected"):
        preprocess(settings)


def test_what_repeats_is_said_and_in_the_report(
    make_project: ProjectMaker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = make_project(rows=200)
    frame = pd.read_csv(settings.data.source)
    bring(settings)
    replace_source(settings, pd.concat([frame, frame.iloc[:150]]))
    monkeypatch.setattr(preprocessing, "settings_from", lambda _: settings)
    monkeypatch.setattr("sys.argv", ["preprocessing.py"])
    preprocessing.main()
    assert (
        "150 rows repeat another; see preprocessing.drop_dup" in capsys.readouterr().out
    )
    train(settings)
    path = settings.paths.models / "latest_model.joblib"
    evaluate_files(path, settings.paths.processed / "test.csv", settings)
    page = (settings.paths.reports / "evaluation.html").read_text("utf-8")
    assert "0 duplicates, 0 without target" in page


def test_rows_that_differ_only_in_an_ignored_column_are_not_duplicates(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(rows=50, preprocessing={"drop_duplicates": True})
    frame = pd.read_csv(settings.data.source)
    frame = pd.concat([frame, frame], ignore_index=True)
    frame.insert(0, "id", range(len(frame)))
    frame.to_csv(settings.data.source, index=False)
    download(settings)
    assert preprocess(settings)["removed"]["duplicates"] == 0
    assert "id" not in load_processed(settings, "train")


def test_dates_in_a_format_of_their_own_survive_being_written(
    make_project: ProjectMaker,
) -> None:
    settings = make_project()
    frame = pd.read_csv(settings.data.source)
    days = pd.to_datetime(frame["signed up"])
    frame["signed up"] = days.dt.strftime("%d/%m/%Y %H:%M")
    frame.to_csv(settings.data.source, index=False)
    download(settings)
    preprocess(settings)
    column = load_processed(settings, "train")["signed up"]
    assert column.notna().all()
    assert set(column) <= set(days)


@pytest.mark.parametrize("time_columns", [[], ["n"]])
def test_one_row_cannot_be_divided(time_columns: list[str]) -> None:
    with pytest.raises(DataError, match="preprocessing.split: .* rows of 1; expected"):
        split_rows(frame_of(1), schema_of(time_columns), SplitSettings(), seed=0)


def test_rows_without_a_group_stand_for_themselves() -> None:
    rows = frame_of(400)
    rows["owner"] = [None if n % 2 else f"o{n // 40}" for n in range(400)]
    schema = schema_of([], group_column="owner")
    train, test = split_rows(rows, schema, SplitSettings(test_size=0.5), seed=3)
    for_themselves = test[test["owner"].isna()]
    assert 60 < len(for_themselves) < 140
    assert not {*train["owner"].dropna()} & {*test["owner"].dropna()}
    keys = row_keys(rows, schema)
    assert keys.blocks is not None and len(set(keys.blocks)) == 10 + 200


def test_equal_rows_are_divided_like_others_and_stay_where_they_are() -> None:
    rows = frame_of(1).loc[[0] * 500].reset_index(drop=True)
    train, test = split_rows(rows, schema_of([]), SplitSettings(), seed=0)
    assert 60 < len(test) < 140
    again = split_rows(rows.head(300), schema_of([]), SplitSettings(), seed=0)[1]
    assert set(again.index) == {n for n in test.index if n < 300}


def test_another_seed_makes_other_test_rows() -> None:
    rows = frame_of(500)
    tests = [split_rows(rows, schema_of([]), SplitSettings(), s)[1] for s in (1, 2)]
    both = {*tests[0]["n"]} & {*tests[1]["n"]}
    assert len(both) < len(tests[0]) / 2


def test_a_gap_in_days_is_left_out_and_counted(make_project: ProjectMaker) -> None:
    settings = make_project(rows=100, preprocessing={"split": {"gap": 5}})
    schema = bring(settings).model_copy(update={"time_columns": ["signed up"]})
    write_schema(schema, settings.data.schema_path)
    manifest = preprocess(settings)
    assert manifest["removed"]["in_gap"] == 5
    assert manifest["trained_until"] == ["2024-03-15T00:00:00"]
    assert manifest["split_by"] == "time (signed up)"
    train, test = load_processed(settings, "train"), load_processed(settings, "test")
    assert (test["signed up"].min() - train["signed up"].max()).days == 6
    assert (later_than(manifest["trained_until"], test[["signed up"]])).all()
    assert not (later_than(manifest["trained_until"], train[["signed up"]])).any()


def test_a_moment_of_several_columns_is_later_by_the_first_that_differs() -> None:
    times = pd.DataFrame({"day": [1, 2, 2, 3], "hr": [9, 4, 5, 0]})
    assert later_than([2, 4], times).tolist() == [False, False, True, True]


def test_a_class_with_few_test_rows_is_named(
    make_project: ProjectMaker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = make_project(rows=800)
    frame = pd.read_csv(settings.data.source)
    frame.loc[:20, "outcome"] = "rare"
    frame.to_csv(settings.data.source, index=False)
    bring(settings)
    monkeypatch.setattr(preprocessing, "settings_from", lambda _: settings)
    monkeypatch.setattr("sys.argv", ["preprocessing.py"])
    preprocessing.main()
    said = capsys.readouterr().out
    assert "class 'rare': " in said and "too few to be sure" in said
    assert "class 'no': " not in said and "test rows, by row" in said


def test_a_failed_run_leaves_nothing_to_be_taken_for_its_result(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_project(rows=60)
    bring(settings)
    preprocess(settings)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full_disk)
    with pytest.raises(OSError, match="no space"):
        preprocess(settings)
    with pytest.raises(DataError, match="file not found"):
        load_processed(settings, "train")


def test_rows_from_elsewhere_need_the_columns_and_the_target(
    make_project: ProjectMaker, tmp_path: Path
) -> None:
    settings = make_project(rows=60)
    schema = bring(settings)
    frame = pd.read_csv(settings.data.source)
    path = tmp_path / "rows.csv"
    frame.drop(columns=["city", "outcome"]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"columns \['city', 'outcome'\] not found"):
        read_rows(path, schema)
    frame.loc[3, "outcome"] = None
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match="1 rows have no readable target.*row 4"):
        read_rows(path, schema)


def test_the_commands_say_what_they_did_and_what_comes_next(
    make_project: ProjectMaker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = make_project(rows=60)
    said = {}
    for module in (data_download, preprocessing):
        monkeypatch.setattr(module, "settings_from", lambda arguments: settings)
        monkeypatch.setattr(sys, "argv", [module.__name__])
        module.main()
        said[module] = capsys.readouterr().out
    assert "next: python src/data/preprocessing.py" in said[data_download]
    assert "48 training, 12 test rows, by time (signed up)\n" in said[preprocessing]
    assert "0 duplicates, 0 without target" in said[preprocessing]
    assert "next: python src/training/train.py" in said[preprocessing]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL and fork")
def test_a_kill_at_any_moment_leaves_whole_files_and_matching_pairs(
    make_project: ProjectMaker, tmp_path: Path
) -> None:
    settings = make_project(rows=400)
    bring(settings)
    whole: dict[str, set[bytes]] = {"train.csv": set(), "test.csv": set()}
    for seed in (1, 2):
        preprocess(settings.model_copy(update={"seed": seed}))
        for name, contents in whole.items():
            contents.add(files_of(settings)[name])
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "settings.json")],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdin is not None and driver.stdout is not None
        for _ in range(KILLS):
            driver.stdin.write(f"{random.uniform(0.02, 0.3)}\n")
            driver.stdin.flush()
            assert driver.stdout.readline() == f"{signal.SIGKILL:d}\n"
            check_what_is_left(settings, whole)
    preprocess(settings)
    assert set(files_of(settings)) == {"train.csv", "test.csv", "manifest.json"}


def check_what_is_left(settings: Settings, whole: dict[str, set[bytes]]) -> None:
    """Check that files are whole, and that those which are accepted match."""
    found = files_of(settings)
    for name, contents in whole.items():
        assert name not in found or found[name] in contents
    if "manifest.json" not in found:
        with pytest.raises(DataError, match="run `python"):
            load_processed(settings, "train")
        return
    train, test = (load_processed(settings, part) for part in ("train", "test"))
    assert len(train) + len(test) == 400
    assert len(pd.concat([train, test]).drop_duplicates()) == 400


def test_a_value_that_does_not_read_back_fails_with_its_column(
    make_project: ProjectMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_project("classification")
    bring(settings)
    monkeypatch.setattr(
        preprocessing,
        "written",
        lambda column, rules: column.round() if rules.type == "number" else column,
    )
    with pytest.raises(DataError, match=r"train.csv: columns \['income'\] do not read"):
        preprocess(settings)
    assert not (settings.paths.processed / "manifest.json").exists()

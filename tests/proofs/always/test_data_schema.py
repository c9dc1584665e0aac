"""The data contract: reading values by it, and reading and writing it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.columns import to_schema_types
from src.data.schema import DataSchema, load_schema, write_schema
from src.data.ingestion import read_table
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker


def schema_of(**columns: dict[str, Any]) -> DataSchema:
    """Return a schema of the columns given, with a feature and a target added."""
    added = {"x": {"type": "number"}, "y": {"type": "category", "role": "target"}}
    return DataSchema.model_validate({"name": "test", "columns": columns | added})


def coerced(values: list[Any], **column: Any) -> list[Any]:
    """Return values as they are read in a column of the schema given."""
    frame = pd.DataFrame({"c": pd.Series(values, dtype="object")})
    return to_schema_types(frame, schema_of(c=column))["c"].tolist()


def test_numbers_are_read_exactly_as_they_were_written() -> None:
    numbers = np.random.default_rng(0).normal(size=1000) * 1e-7
    texts = [repr(float(number)) for number in numbers]
    assert coerced(texts, type="number") == numbers.tolist()


@pytest.mark.parametrize("value", ["abc", "1,5", "1_0", "0x1A", "inf", None, "NA", ""])
def test_what_is_no_number_becomes_missing(value: str | None) -> None:
    assert np.isnan(coerced(["1", value], type="number")[1])


@pytest.mark.parametrize("true, false", [("yes", "no"), ("TRUE", "False"), (1, 0)])
def test_booleans_are_one_and_zero_in_every_spelling(true: Any, false: Any) -> None:
    result = coerced([true, false, None, "perhaps"], type="boolean")
    assert result[:2] == [1.0, 0.0]
    assert np.isnan(result[2:]).all()


def test_codes_are_labels_however_they_arrive() -> None:
    assert coerced([3, 3.0, " 3 ", "03"], type="category") == ["3", "3", "3", "03"]


@pytest.mark.parametrize(
    "values, kind, expected",
    [
        (pd.Series([1, 2]), "number", [1.0, 2.0]),
        (pd.Series([True, False]), "number", [1.0, 0.0]),
        (pd.Series([True, None], dtype="boolean"), "boolean", [1.0, None]),
        (pd.Series([1, None], dtype="Int64"), "number", [1.0, None]),
        (pd.Series([np.inf, 0.5]), "number", [None, 0.5]),
        (pd.Series(["a", None], dtype="category"), "category", ["a", None]),
        (
            pd.Series(pd.to_datetime(["2024-01-01T01:00:00+01:00", None])),
            "date",
            [pd.Timestamp("2024-01-01"), None],
        ),
        (
            pd.Series(pd.to_datetime(["2024-01-01"])),
            "category",
            ["2024-01-01T00:00:00"],
        ),
        (pd.Series([20240101]), "number", [20240101.0]),
    ],
)
def test_typed_columns_of_parquet_files_are_read_like_text(
    values: "pd.Series[Any]", kind: str, expected: list[Any]
) -> None:
    result = to_schema_types(pd.DataFrame({"c": values}), schema_of(c={"type": kind}))[
        "c"
    ]
    assert [None if pd.isna(value) else value for value in result] == expected


def test_none_is_an_answer_in_a_category() -> None:
    result = coerced(["None", "NA", "?"], type="category")
    assert result[0] == "None"
    assert pd.isna(result[1:]).all()


def test_dates_become_utc_in_the_format_of_the_schema() -> None:
    iso = coerced(["2024-02-01T01:00:00+02:00", "9999-12-31", "x"], type="date")
    assert iso[0] == pd.Timestamp("2024-01-31 23:00:00")
    assert iso[1].year == 9999
    assert pd.isna(iso[2])
    local = coerced(["01/02/2024"], type="date", format="%d/%m/%Y")
    assert local == [pd.Timestamp("2024-02-01")]


def test_a_row_is_read_the_same_alone_and_among_others() -> None:
    values = ["1", "2.5", "x", None, "007"]
    for kind in ("number", "category", "boolean", "date"):
        together = pd.Series(coerced(values, type=kind))
        alone = pd.Series([coerced([value], type=kind)[0] for value in values])
        assert together.astype("str").equals(alone.astype("str"))


def test_columns_come_in_the_order_of_the_schema_without_unknown_ones() -> None:
    schema = schema_of(c={"type": "date"})
    frame = pd.DataFrame({"y": ["a"], "other": [1], "c": ["2024-01-01"]}, index=[7])
    result = to_schema_types(frame, schema)
    assert list(result.columns) == ["c", "y"]
    assert result.index.tolist() == [7]


def test_a_written_schema_reads_back_the_same(tmp_path: Path) -> None:
    schema = schema_of(
        **{
            'na"me: ünï, 日本 | {x}': {"type": "integer", "min": 0, "max": 2.5},
            "yes": {"type": "date", "min": "2020-01-01", "format": "%Y"},
            "2020": {"type": "category", "values": ["no", "1", "~", "a: b"]},
        }
    )
    write_schema(schema, tmp_path / "schema.yaml")
    assert load_schema(tmp_path / "schema.yaml") == schema


@pytest.mark.parametrize(
    "column, problem",
    [
        ({"type": "float"}, "columns.c.type: found 'float', expected 'integer'"),
        ({"type": "number", "mim": 0}, "columns.c.mim: unknown key"),
        ({"type": "number", "values": ["a"]}, "columns.c: values need type category"),
        ({"type": "category", "min": 0}, "columns.c: limit 0 does not fit type cat"),
        ({"type": "date", "min": 0}, "columns.c: limit 0 does not fit type date"),
        ({"type": "number", "format": "d"}, "columns.c: format needs type date"),
        ({"type": "number", "role": "target"}, "one column with role target"),
    ],
)
def test_a_faulty_schema_is_refused_in_one_line(
    column: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "schema.yaml"
    write_schema(schema_of(c={"type": "number"}), path)
    content = path.read_text(encoding="utf-8")
    lines = "\n".join(f"    {key}: {value}" for key, value in column.items())
    path.write_text(content.replace("  c:\n    type: number", f"  c:\n{lines}"))
    with pytest.raises(ConfigError, match=str(path)) as caught:
        load_schema(path)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, problem",
    [
        ("sensitive: [z]\ncolumns: {x: {type: number}}", "one column with role target"),
        ("columns: {y: {type: date, role: target}}", "at least one column"),
        (
            "sensitive: [z]\ncolumns: {x: {type: date}, y: {type: date, role: target}}",
            "sensitive names columns that do not exist: ['z']",
        ),
    ],
)
def test_a_schema_must_make_sense_as_a_whole(
    content: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(f"name: test\n{content}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_schema(path)
    assert problem in str(caught.value)


def test_a_missing_schema_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run `make data`"):
        load_schema(tmp_path / "schema.yaml")


def test_target_of_schema_and_settings_must_agree(make_project: ProjectMaker) -> None:
    settings = make_project("classification")
    write_schema(schema_of(), settings.data.schema_path)
    with pytest.raises(
        ConfigError, match="target 'y' .*expected 'outcome'.*make the two"
    ):
        load_schema(settings.data.schema_path, settings)


def test_target_type_must_fit_the_task(make_project: ProjectMaker) -> None:
    settings = make_project("regression", data={"source": "s", "target": "y"})
    write_schema(schema_of(), settings.data.schema_path)
    with pytest.raises(
        ConfigError, match="category, expected 'y' of type number or int"
    ):
        load_schema(settings.data.schema_path, settings)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_table_is_read_with_any_separator(separator: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a b": ["1", "x;y, z"], "c|": ["007", "1.0"]})
    frame.to_csv(tmp_path / "t", sep=separator, index=False, encoding="utf-8-sig")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t"), frame)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet"])
def test_compressed_and_parquet_files_are_told_by_content(
    name: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"a": ["x", None], "b": ["1", "2"]}, dtype="str")
    path = tmp_path / name
    if name.endswith("gz"):
        frame = frame.fillna("")  # as text has it
        frame.to_csv(path, index=False)
    else:
        frame.set_index("a").to_parquet(path)
    path.rename(tmp_path / "download")
    pd.testing.assert_frame_equal(read_table(tmp_path / "download"), frame)


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "cannot be read"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2,3,4\n\n1,2,3\n", "cannot be read"),
        (b"a\n\xff\n", "can't decode byte 0xff"),
        (b"PAR1 and then no Parquet", "cannot be read"),
        (b"\x1f\x8b and then no gzip", "cannot be read"),
        (None, "No such file"),
    ],
)
def test_an_unusable_file_is_refused_in_one_line(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)

"""Files as people have them: what is read, what is said, and what is refused."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from scripts.data_download import download
from scripts.detect_columns import detect
from src.data.dictionary import account
from src.data.ingestion import read_table
from src.data.preprocessing import preprocess
from src.data.schema import DataSchema, load_schema
from src.training.train import train
from src.utils.config import Settings, Task
from src.utils.errors import DataError
from tests.fixtures.synthetic import make_settings

ROWS = 200
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(1000, 300, ROWS).round(2)
TEXT = "a,b\n1,x\n2,y\n"


def column(*odd: str, of: Any = NUMBERS) -> "pd.Series[Any]":
    """Return numbers with some other values among them."""
    return pd.Series([*odd, *map(str, of[len(odd) :])], dtype="str")


@pytest.mark.parametrize(
    "mark",
    r"- -- . .. — \N na N.A. UNKNOWN #DIV/0! #VALUE! inf -Infinity ∞ 00 1.8e308".split(),
)
def test_usual_marks_among_numbers_are_taken_for_missing(mark: str) -> None:
    found = detect(column(mark, mark, mark))
    assert (found.type, found.missing, found.check) == ("number", [mark], "")


@pytest.mark.parametrize("mark", ["0000-00-00", "00000000", "-", "n/a.", "unknown"])
def test_so_are_those_among_dates(mark: str) -> None:
    days = pd.date_range("2023-01-01", periods=ROWS).strftime("%Y-%m-%d")
    found = detect(column(mark, of=days))
    if mark == "n/a.":
        assert (found.type, "'n/a.' (row 1)" in found.check) == ("category", True)
    else:
        assert (found.type, found.missing) == ("date", [mark])


@pytest.mark.parametrize("odd", ["soon", "12a", "1,5", "31/02/2024", "12 March"])
def test_what_is_nearly_a_number_is_said_with_the_value_and_its_rows(odd: str) -> None:
    once, often = detect(column("1", odd)), detect(column(odd, odd, odd))
    assert once.type == often.type == "category"
    assert f"99.5 % are numbers, but not {odd!r} (row 2)" in once.check
    assert f"98.5 % are numbers, but not {odd!r} (3 rows)" in often.check
    assert "list them under missing and set type: number." in often.check


def test_marks_in_most_rows_are_said_rather_than_taken() -> None:
    found = detect(column(*["-"] * 120))
    assert found.type == "category" and "not '-' (120 rows)" in found.check


@pytest.mark.parametrize(
    ("write", "kind", "written"),
    [
        (lambda n: f"{n:.2f}".replace(".", ","), "number", "1234,5"),
        (lambda n: f"{n:,.2f}", "number", "1,234.5"),
        (
            lambda n: f"{n:,.2f}".replace(",", " ").replace(".", ","),
            "number",
            "1 234,5",
        ),
        (lambda n: f"{n:,.2f}".replace(",", "'"), "number", "1'234.5"),
        (lambda n: f"{n:,.2f}".replace(",", "’"), "number", "1’234.5"),
        (
            lambda n: f"{n:,.1f} %".replace(",", " ").replace(".", ","),
            "number",
            "1 234,5 %",
        ),
        (lambda n: f"${n:,.2f}", "number", "$1,234.5"),
        (lambda n: f"{n:.1f} EUR", "number", "1234.5 EUR"),
        (lambda n: f"CHF {n:,.2f}", "number", "CHF 1,234.5"),
        (lambda n: f"{n:.1f}%", "number", "1234.5%"),
        (lambda n: f"{n:.1f} km/h", "number", "1234.5 km/h"),
        (lambda n: f"({n:.1f})" if n > 900 else f"{n:.1f}", "number", None),
        (lambda n: f"{n:010.2f}", "number", None),
        (lambda n: f"{int(n):06}", "category", None),
        (lambda n: f"INV{int(n)}", "category", None),
        (lambda n: f"{int(n)}{'ab'[int(n) % 2]}", "category", None),
    ],
)
def test_numbers_are_read_where_the_whole_column_agrees(
    write: Callable[[float], str], kind: str, written: str | None
) -> None:
    found = detect(pd.Series(list(map(write, NUMBERS)), dtype="str"))
    assert (found.type, found.format) == (kind, written)


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("%Y-%m-%d", None),
        ("%Y-%m-%d %H:%M:%S+00", None),
        ("%Y-%m-%d %H:%M:%S +0100", None),
        ("%Y-%m-%d %H:%M:%S UTC", None),
        ("%Y-%m-%dT%H", None),
        ("%Y-%m-%dT%H:%M:%S.%fZ", None),
        ("%d-%b-%y", "%d-%b-%y"),
        ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"),
        ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M:%S %p"),
        ("%d/%m/%Y %H:%M +02:00", "%d/%m/%Y %H:%M"),
        ("%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S"),
        ("%d/%b/%Y:%H:%M:%S +0200", "%d/%b/%Y:%H:%M:%S"),
        ("%Y%m%d", "%Y%m%d"),
        ("%d%b%Y", "%d%b%Y"),
        ("%d-%m-%y", "%d-%m-%y"),
        ("%b %d, %Y", "%b %d, %Y"),
        ("%I:%M %p", "%I:%M %p"),
        ("%Y-%m", "%Y-%m"),
        ("%H:%M:%S", "%H:%M:%S"),
    ],
)
def test_dates_are_read_where_the_whole_column_agrees(
    form: str, written: str | None
) -> None:
    minutes = pd.to_timedelta(RNG.integers(0, 2 * 10**6, ROWS), "min")
    found = detect(pd.Series((pd.Timestamp("2021-01-13") + minutes).strftime(form)))
    assert (found.type, found.format, found.check) == ("date", written, "")


def test_years_of_two_digits_that_are_in_the_future_are_said() -> None:
    born = [f"12-Apr-{year:02}" for year in (*range(30, 69), *range(69, 99))]
    assert "read up to 2068" in detect(pd.Series(born, dtype="str")).check


def settings_of(folder: Path, content: bytes | str, task: Task, name: str) -> Settings:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    source = {"source": str(folder / name), "target": "y"}
    return make_settings(folder, task, data=source)


def lines_of(target: Any, rows: int = ROWS) -> str:
    lines = [f"{n},{RNG.normal():.3f},{target(n)}" for n in range(rows)]
    return "\n".join(["id,x,y", *lines]) + "\n"


def test_what_is_not_used_missing_or_doubtful_is_said_at_every_run(
    tmp_path: Path,
) -> None:
    marks = ["-" if n % 50 == 0 else f"{NUMBERS[n]}" for n in range(ROWS)]
    odd = ["soon" if n == 7 else f"{n % 13}" for n in range(ROWS)]
    rows = zip(range(ROWS), marks, odd, RNG.choice(["a", "b"], ROWS), strict=True)
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    settings = settings_of(
        tmp_path, f"id,score,odd,y\n{lines}\n", "classification", "t.csv"
    )
    download(settings)
    for _ in range(2):
        said = preprocess(settings)["account"]
        kinds = "columns used: 2 category, 1 number"
        assert said["read"] == f"200 rows; {kinds}"
        told = {(name, how): why for name, how, why in said["told"]}
        assert told["id", "not used"].startswith("it is an identifier")
        assert told["score", "missing"] == "'-' (4 rows)"
        assert "but not 'soon' (row 8)" in told["odd", "to check"]
        assert "The positive class is" in told["y", "target"]
    written = settings.data.dictionary_path.read_text("utf-8")
    assert "| `score` | missing | '-' (4 rows) |" in written


def test_lines_that_an_open_quote_joins_are_said() -> None:
    raw = pd.DataFrame({"x": ['1,b\n2,"c', "3"], "y": ["a", "b"]}, dtype="str")
    columns = {"x": {"type": "category"}, "y": {"type": "category", "role": "target"}}
    schema = DataSchema.model_validate({"name": "t", "columns": columns})
    said = account(schema, raw.assign(z="new"))
    assert said["read"].startswith("2 rows in 3 lines")
    assert said["told"][0][:2] == ["z", "not used"]


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, TEXT)
    return stream.getvalue()


def excel() -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in ([None, None], ["a", "b"], [1, "x"], [None, None], [2, "y"]):
        book.active.append(row)
    book.create_sheet("second")
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        gzip.compress(TEXT.encode()),
        zipped("t.csv"),
        zipped("t.csv", "__MACOSX/t.csv"),
        excel(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace(",", "|").encode(),
        b"sep=\n" + TEXT.encode(),
        b"sep=;\n" + TEXT.replace(",", ";").encode(),
        b"\n\n" + TEXT.encode(),
        TEXT.replace("a,b", " a ,b\N{NO-BREAK SPACE}").encode(),
    ],
)
def test_tables_are_read_however_they_are_kept(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "download").write_bytes(content)
    frame = read_table(tmp_path / "download")
    assert frame.to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}


def test_names_that_are_blank_or_repeated_are_made_up_as_pandas_does(
    tmp_path: Path,
) -> None:
    header = ",a,a,,b,a"
    (tmp_path / "t.csv").write_text(f"{header}\n1,2,3,4,5,6\n")
    expected = pd.read_csv(io.StringIO(f"{header}\n1,2,3,4,5,6\n")).columns
    assert list(read_table(tmp_path / "t.csv")) == list(expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,b\n1,\0\n".encode("utf-16"), "line 2 has a NUL character"),
        (zipped("a.csv", "b.csv"), r"a zip file of \['a.csv', 'b.csv'\], where one"),
        (excel().replace(b"xl/workbook", b"xl/w0rkb00k"), "cannot be read"),
        (
            "a,b\n1,\xe9\n".encode("latin-1"),
            "line 2 has the byte 0xe9; save it as UTF-8",
        ),
        (b'"a","b"\n"1",2,3\n', "Row #2: Expected 2 columns, got 3"),
        (b"a,b,c\n1,2\n", "Row #2: Expected 3 columns, got 2"),
        (b"My report\na,b\n1,2\n", "first row, 'My report', is the header"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(DataError, match=problem) as refused:
        read_table(tmp_path / "t")
    assert "\n" not in str(refused.value) and str(tmp_path / "t") in str(refused.value)


@pytest.mark.parametrize(
    ("target", "task", "problem"),
    [
        (
            lambda n: n % 150,
            "classification",
            "150 whole numbers as classes; for amounts",
        ),
        (lambda n: f"n{n}", "classification", "has 200 distinct values in 200 rows"),
        (lambda n: "much" if n == 3 else n, "regression", "but not 'much' .row 4."),
        (
            lambda n: "x" if n == 3 else f'"{n},5"',
            "regression",
            "as 1234,5, but not 'x'",
        ),
        (lambda n: "00" if n == 3 else f"{n}.5", "regression", "holds '00' among"),
        (lambda n: f"{n:05}", "regression", "no numbers, such as '00000'"),
        (
            lambda n: "ab"[n % 2],
            "regression",
            "no numbers, such as 'a'; correct the file, or set task",
        ),
        (lambda n: "same", "classification", "there is nothing to predict"),
    ],
)
def test_a_target_that_cannot_be_predicted_says_what_to_do(
    target: Any, task: Task, problem: str, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, lines_of(target), task, "t.csv")
    with pytest.raises(DataError, match=problem) as refused:
        download(settings)
    assert "\n" not in str(refused.value)


def test_too_few_rows_are_refused_with_how_many_are_needed(tmp_path: Path) -> None:
    text = lines_of(lambda n: "ab"[n % 2], 49)
    settings = settings_of(tmp_path, text, "classification", "t.csv")
    download(settings)
    with pytest.raises(DataError, match="49 rows with a target 'y' are too few.* 50"):
        preprocess(settings)


def test_a_class_of_one_row_is_said(tmp_path: Path) -> None:
    text = lines_of(lambda n: "rare" if n == 5 else "ab"[n % 2])
    settings = settings_of(tmp_path, text, "classification", "t.csv")
    download(settings)
    check = load_schema(settings.data.schema_path).columns["y"].check
    assert check.startswith("One row alone is ['rare']")


@pytest.mark.parametrize("name", ["self", "columns", "data", "index", "y: year"])
def test_a_target_may_have_any_name(name: str, tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        lines_of(lambda n: "ab"[n % 2]).replace("y\n", f"{name}\n", 1),
        "classification",
        "t.csv",
    )
    data = settings.data.model_copy(update={"target": name})
    settings = settings.model_copy(update={"data": data})
    download(settings)
    preprocess(settings)
    train(settings)

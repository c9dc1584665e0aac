"""Whatever trains can be served: the training file itself, sent as a table."""

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from scripts.data_download import download
from src.data.columns import convert
from src.data.ingestion import read_table
from src.data.preprocessing import preprocess
from src.data.schema import load_schema
from src.data.values import read_value
from src.models.artifact import load_model
from src.serving import tables
from src.serving.model import Model
from src.serving.schemas import row_model
from src.training.train import train
from tests.fixtures.synthetic import make_settings

ROWS = 200
RNG = np.random.default_rng(3)
DAYS = pd.Timestamp("2023-01-01") + pd.to_timedelta(RNG.integers(0, 500_000, ROWS), "s")
NUMBERS = RNG.normal(1000, 400, ROWS).round(2)
LABELS = np.where(NUMBERS + RNG.normal(0, 200, ROWS) > 1000, "yes", "no")


def marked(values: Any, mark: str, every: int = 20) -> list[str]:
    return [mark if n % every == 0 else str(v) for n, v in enumerate(values)]


def as_csv() -> bytes:
    """Columns as databases, accounts and R write them, two of one name, one of none."""
    columns = {
        "": range(ROWS),
        "score": marked(NUMBERS, "-"),
        " score": marked(NUMBERS * 2, r"\N"),
        "money": [
            f'"${n:,.2f}"' if n > 0 else f'"(${-n:,.2f})"' for n in NUMBERS - 900
        ],
        "share": [f"{n / 40:.1f}%" for n in NUMBERS],
        "weight": [f"{n:.1f} kg" for n in NUMBERS],
        "code": [f"{n}.0" for n in RNG.choice([10115, 20095, 80331], ROWS)],
        "joined": [f"{day:%Y-%m-%d %H:%M:%S}+00" for day in DAYS],
        "joined: year": [f"{day:%Y-%m-%dT%H}" for day in DAYS],
        "left": [f"{day:%Y-%m-%d %H:%M:%S} UTC" for day in DAYS],
        "born": [f"{day:%d-%b-%y}" for day in DAYS],
        "at": [f"{day:%H:%M:%S}" for day in DAYS],
        "until": RNG.choice(["0001-01-01", "2023-06-11", "9999-12-31"], ROWS),
        "bought": [f"{day:%Y%m%d}" for day in DAYS],
        "city": [f" {name} " for name in RNG.choice(["Oslo", "Lima", "None"], ROWS)],
        "member": RNG.choice(["Yes", "no"], ROWS),
        "label": LABELS,
    }
    lines = [",".join(columns)]
    lines += [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    return "\r\n".join(lines).encode("utf-8-sig")


def as_european_csv() -> bytes:
    columns = {
        "größe": [f"{n:.2f}".replace(".", ",") for n in NUMBERS],
        "umsatz": [f"{int(n):,}".replace(",", ".") + ",50 €" for n in NUMBERS * 10],
        "seit": [f"{day:%d.%m.%Y %H:%M}" for day in DAYS],
        "label": LABELS,
    }
    lines = ["sep=;", ";".join(columns)]
    lines += [";".join(row) for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines).encode("utf-16")


def as_parquet() -> bytes:
    large = [None if n % 9 == 0 else 2**53 + int(RNG.integers(3)) for n in range(ROWS)]
    arrays = {
        "x": pa.array([np.inf if n % 50 == 0 else v for n, v in enumerate(NUMBERS)]),
        "x ": pa.array(NUMBERS.astype("float32")),
        "large": pa.array(large, pa.int64()),
        "when": pa.array(DAYS.to_numpy(), pa.timestamp("ns", "Europe/Oslo")),
        "day": pa.array([day.date() for day in DAYS]),
        "tags": pa.array([{"a": 1}] * ROWS),
        "bytes": pa.array([b"\xff"] * ROWS),
        "price": pa.array([Decimal(f"{n:.2f}") for n in NUMBERS]),
        "clock": pa.array([day.time().replace(microsecond=0) for day in DAYS]),
        "took": pa.array(pd.to_timedelta(NUMBERS, "s")),
        "kind": pa.array(RNG.choice(["a", "b"], ROWS)).dictionary_encode(),
        "label": pa.array(LABELS),
    }
    stream = io.BytesIO()
    table = pa.table([*arrays.values()], [*arrays])
    pyarrow.parquet.write_table(table, stream)
    return stream.getvalue()


def as_excel() -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["number", "share", "day", "code", "member", "label"])
    kept = zip(NUMBERS.tolist(), DAYS.to_pydatetime(), LABELS.tolist(), strict=True)
    for number, day, label in kept:
        line = [
            number,
            None if number > 1500 else number / 3,
            day.replace(microsecond=0),
        ]
        book.active.append([*line, int(number) % 3, number > 1100, label])
    book.save(stream)
    return stream.getvalue()


FILES = {
    "people.csv": (as_csv, tables.CSV),
    "kunden.csv": (as_european_csv, tables.CSV),
    "people.parquet": (as_parquet, tables.PARQUET),
    "people.xlsx": (as_excel, tables.EXCEL),
}


@pytest.mark.parametrize("name", FILES)
def test_the_training_file_is_answered_with_the_predictions_of_the_pipeline(
    name: str, tmp_path: Path
) -> None:
    make, media_type = FILES[name]
    path = tmp_path / name
    path.write_bytes(make())
    settings = make_settings(
        tmp_path,
        "classification",
        data={"source": str(path), "target": "label"},
        model={"type": "hist_gradient_boosting", "params": {"max_iter": 10}},
    )
    download(settings)
    preprocess(settings)
    train(settings)

    schema, raw = load_schema(settings.data.schema_path), read_table(path)
    row, saved = row_model(schema), settings.paths.models / "latest_model.joblib"
    model = Model.load(saved, "1", schema, row)
    wanted = tables.PARQUET
    answer = tables.predict(path.read_bytes(), media_type, wanted, model, row, ROWS)

    pipeline, record = load_model(saved)
    assert record["export"]["verified"], record["export"]
    given = pd.read_parquet(io.BytesIO(answer))
    expected = pipeline.predict_proba(raw)
    np.testing.assert_allclose(given.iloc[:, 1:].to_numpy(), expected, atol=1e-4)
    assert given["prediction"].tolist() == pipeline.predict(raw).tolist()

    for column in schema.features:  # and value by value, as JSON has them
        rules = schema.columns[column]
        typed = convert(raw[column], rules).tolist()
        for value, other in zip(raw[column].astype("object"), typed, strict=True):
            one = None if value is pd.NA else read_value(value, rules)
            assert (one is None and pd.isna(other)) or one == other, column


def test_the_columns_are_what_a_person_sees_in_them(tmp_path: Path) -> None:
    found = {}
    for name, (make, _) in FILES.items():
        path = tmp_path / name
        path.write_bytes(make())
        settings = make_settings(
            tmp_path, "classification", data={"source": str(path), "target": "label"}
        )
        settings.data.schema_path.unlink(missing_ok=True)
        download(settings)
        columns = load_schema(settings.data.schema_path).columns
        found |= {c: f"{r.type} {r.format or ''}".strip() for c, r in columns.items()}
        found |= {c: "ignored" for c, r in columns.items() if r.role == "ignored"}
    assert found == {
        "Unnamed: 0": "ignored",
        "score": "number",
        "score.1": "number",
        "money": "number $1,234.5",
        "share": "number",
        "weight": "number 1234.5 kg",
        "code": "integer",
        "joined": "date",
        "joined: year": "date",
        "left": "date",
        "born": "date %d-%b-%y",
        "at": "date %H:%M:%S",
        "until": "date",
        "bought": "date %Y%m%d",
        "city": "category",
        "member": "boolean",
        "label": "category",
        "größe": "number 1234,5",
        "umsatz": "number 1.234,5 €",
        "seit": "date %d.%m.%Y %H:%M",
        "x": "number",
        "x.1": "number",
        "large": "category",
        "when": "date",
        "day": "date",
        "price": "number",
        "clock": "date %H:%M:%S",
        "tags": "ignored",
        "bytes": "ignored",
        "took": "ignored",
        "kind": "category",
        "number": "number",
    }

"""Made-up tables of every kind of column: inferred, kept, written, read back."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.data_download import download
from src.data.columns import to_schema_types
from src.data.ingestion import raw_file, read_table
from src.data.preprocessing import load_processed, preprocess
from src.data.schema import load_schema
from src.data.validation import find_violations
from src.utils.errors import DataError, ProjectError
from tests.fixtures.synthetic import make_settings

DATES = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y %H:%M", "%d %b %Y", "%Y-%m-%dT%H:%M:%SZ")


def make_table(rng: np.random.Generator) -> pd.DataFrame:
    """Return some columns of many kinds, some of them with gaps."""
    rows = int(rng.choice([40, 70, 200]))
    minutes = pd.to_timedelta(rng.integers(0, 10**6, rows), "min")
    days = pd.Timestamp("2020-01-01") + minutes

    def any_of(*values: object) -> Any:
        return rng.choice(np.array(values, dtype="object"), rows)

    pool: dict[str, Any] = {
        "row id": rng.permutation(rows) + 3,
        "zip": [f"{code:05d}" for code in rng.integers(0, 99999, rows)],
        "number": rng.normal(size=rows) * 10.0 ** rng.integers(-8, 9),
        "whole": rng.integers(-5, 99, rows),
        "when": days.strftime(str(rng.choice(DATES))),
        'größe "日本"': any_of("S", " M", "Z|`", "None", "?", "a\nb, c"),
        "flag": any_of("Yes", "no", ""),
        "bit": any_of(0, 1),
        "long": [f"{digit}" * 17 for digit in rng.integers(1, 9, rows)],
        "mixed": any_of("1", "2.5", "x"),
        "exponent": any_of("1e5", ".5", "-3."),
        "infinite": any_of("inf", "1"),
        "truth": rng.random(rows) < 0.5,
        "gaps": rng.choice([1.0, 2.0, np.nan], rows),
        "comma": [f"{n:.3f}".replace(".", ",") for n in rng.normal(size=rows)],
        "money": [f"${n:,.2f}" for n in rng.normal(size=rows) * 1e4],
        "grouped": [f"{n:,}".replace(",", ".") + " €" for n in rng.integers(0, 1e6, rows)],
        "percent": [f"{n:.1f}%" for n in rng.normal(size=rows)],
        "account": [f"({n})" if n > 50 else f"{n}" for n in rng.integers(0, 99, rows)],
        "marked": any_of("-", "1.5", "2.5", "n.a."),
        "zoned": [f"{day.isoformat()}+02" for day in days],
        "ever": any_of("0001-01-01", "2024-05-01", "9999-12-31"),
        "ancient": any_of("01/01/0001", "31/05/2024", "13/02/0987"),
        "short": days.strftime("%d-%b-%y"),
        "compact": days.strftime("%Y%m%d"),
        "float code": any_of("10115.0", "20095.0", "x"),
    }
    names = rng.permutation(list(pool))[: int(rng.integers(3, 11))]
    frame = pd.DataFrame({str(name): pool[name] for name in names})
    holes = rng.random(frame.shape) < rng.choice([0, 0.1])
    return frame.astype("object").mask(holes)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_inferred_is_kept_and_what_is_written_reads_back(
    seed: int, suffix: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    frame = make_table(rng)
    source = tmp_path / f"source.{suffix}"
    if suffix == "csv":
        frame.to_csv(source, index=False, sep=str(rng.choice([",", ";", "\t"])))
    else:
        frame.convert_dtypes().to_parquet(source)
    data = {"source": str(source), "target": str(rng.choice(frame.columns))}
    task = rng.choice(["classification", "regression"])
    settings = make_settings(tmp_path, task, data=data)
    try:
        download(settings)
    except ProjectError as error:  # this target does not suit this task
        assert "\n" not in str(error)
        return
    schema = load_schema(settings.data.schema_path, settings)
    raw = read_table(raw_file(settings))
    assert find_violations(raw, schema) == []
    try:
        preprocess(settings)
    except DataError as error:
        assert len(raw) <= 70 and "are too few to learn from" in str(error)
        return
    train, test = load_processed(settings, "train"), load_processed(settings, "test")
    rows = to_schema_types(raw, schema).dropna(subset=[schema.target])
    expected = rows[schema.used]
    found = pd.concat([train, test])
    order = list(expected.columns)
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True),
        expected.sort_values(order, ignore_index=True),
    )

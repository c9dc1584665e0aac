"""Bringing the source to ``data/raw/``, and reading tables."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from src.data.ingestion import ingest, read_table
from src.utils.errors import DataError
from src.utils.files import sha256_of


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

"""The source, in more detail."""

from pathlib import Path

import pytest

from src.data import ingestion
from src.data.ingestion import ingest
from src.utils.errors import DataError


def test_the_copy_is_kept_where_the_source_is_lost_or_wrong(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"right")
    raw = ingest(str(source), tmp_path / "raw")
    source.write_bytes(b"wrong")
    with pytest.raises(DataError, match="data.sha256: expected 000.*, found "):
        ingest(str(source), tmp_path / "raw", "0" * 64)
    source.unlink()
    assert ingest(str(source), tmp_path / "raw") == raw
    assert raw.read_bytes() == b"right"
    raw.write_bytes(b"changed")
    with pytest.raises(DataError, match="cannot be read.*correct data.source"):
        ingest(str(source), tmp_path / "raw")


def test_a_download_is_kept_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([b"first", b"second"])
    monkeypatch.setattr(
        ingestion, "_download", lambda url, target: target.write_bytes(next(answers))
    )
    url = "https://host/some/a.csv?token=secret"
    for force, content in ((False, b"first"), (False, b"first"), (True, b"second")):
        assert ingest(url, tmp_path, force=force).read_bytes() == content
    assert "secret" not in (tmp_path / "a.csv.sha256").read_text()

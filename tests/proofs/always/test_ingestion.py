"""The source in ``data/raw/``, from a folder and over HTTP; reading tables."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from scripts.data_download import download
from src.data import ingestion
from src.data.ingestion import ingest, raw_file, read_table, source_name
from src.data.schema import load_schema
from src.utils.errors import DataError
from tests.conftest import ProjectMaker

CONTENT = b"a,b\n1,2\n" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A real web server on this machine.

    Attributes:
        url: The address of the file.
        answers: The status of each answer to come; 200 when there are no more. 206
            stands for an answer that breaks off half-way.
        requests: How many requests came.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    requests: int = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests += 1
            status = state.answers.pop(0) if state.answers else 200
            self.send_response(200 if status == 206 else status)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if status == 206 else CONTENT)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Keep the output of the tests quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{httpd.server_port}/some/my%20data.csv?token=secret"
    monkeypatch.setattr(ingestion, "RETRY", ingestion.RETRY.new(backoff_factor=0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def files_in(folder: Path) -> set[str]:
    """Return the names of all files and folders in a folder."""
    return {path.name for path in folder.iterdir()}


def test_a_local_source_is_copied_unchanged_with_its_digest(tmp_path: Path) -> None:
    source = tmp_path / "my data.csv.gz"
    source.write_bytes(gzip.compress(CONTENT))
    raw = ingest(str(source), tmp_path / "data/raw")
    assert raw.read_bytes() == source.read_bytes()
    assert files_in(raw.parent) == {"my data.csv.gz", "my data.csv.gz.sha256"}
    assert files_in(tmp_path / "data") == {"raw"}
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    record = (raw.parent / "my data.csv.gz.sha256").read_text()
    assert record.endswith(f"\n{digest}  my data.csv.gz\n")


def test_what_is_hidden_in_the_raw_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CONTENT)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/.gitkeep").touch()
    ingest(str(tmp_path / "a.csv"), tmp_path / "raw")
    assert ".gitkeep" in files_in(tmp_path / "raw")


@pytest.mark.parametrize("source", ["no-such-file.csv", "."])
def test_a_source_that_cannot_be_read_is_named(source: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="correct data.source"):
        ingest(str(tmp_path / source), tmp_path / "data/raw")
    assert files_in(tmp_path / "data/raw") == set()


def test_home_folder_and_project_folder_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(ingestion, "PROJECT_ROOT", tmp_path / "project")
    (tmp_path / "a.csv").write_bytes(CONTENT)
    for source in ("~/a.csv", "../a.csv"):
        (tmp_path / "project").mkdir(exist_ok=True)
        assert ingest(source, tmp_path / "raw").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "source, name",
    [
        ("/x/y z.csv", "y z.csv"),
        ("C:\\x\\y.csv", "y.csv"),
        ("https://host/a/b.parquet?x=1#y", "b.parquet"),
        ("https://host/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("https://host/a%3Ab%22.csv", "a_b_.csv"),
        ("https://host/.hidden", "hidden"),
        ("https://host/", "source"),
    ],
)
def test_name_of_the_raw_file_is_safe(source: str, name: str) -> None:
    assert source_name(source) == name


def test_a_download_arrives_whole(server: Server, tmp_path: Path) -> None:
    raw = ingest(server.url, tmp_path / "raw", DIGEST)
    assert raw.name == "my data.csv"
    assert raw.read_bytes() == CONTENT
    assert "secret" not in (tmp_path / "raw/my data.csv.sha256").read_text()


def test_a_download_is_not_repeated_unless_forced(
    server: Server, tmp_path: Path
) -> None:
    ingest(server.url, tmp_path / "raw")
    ingest(server.url, tmp_path / "raw")
    assert server.requests == 1
    ingest(server.url, tmp_path / "raw", force=True)
    assert server.requests == 2


def test_another_address_with_the_same_name_is_downloaded(
    server: Server, tmp_path: Path
) -> None:
    ingest(server.url, tmp_path / "raw")
    ingest(server.url + "&page=2", tmp_path / "raw")
    assert server.requests == 2


@pytest.mark.parametrize("failure", [500, 503, 429])
def test_a_passing_failure_is_tried_again(
    failure: int, server: Server, tmp_path: Path
) -> None:
    server.answers = [failure, failure]
    assert ingest(server.url, tmp_path / "raw").read_bytes() == CONTENT
    assert server.requests == 3


def test_a_download_that_breaks_off_is_not_taken_for_the_file(
    server: Server, tmp_path: Path
) -> None:
    server.answers = [206]
    with pytest.raises(DataError, match="download failed .* and try again"):
        ingest(server.url, tmp_path / "raw")
    assert files_in(tmp_path / "raw") == set()


def test_a_lasting_failure_ends_after_some_attempts(
    server: Server, tmp_path: Path
) -> None:
    server.answers = [503] * 10
    with pytest.raises(DataError, match="HTTP status 503") as caught:
        ingest(server.url, tmp_path / "raw")
    assert server.requests == 4
    assert "secret" not in str(caught.value)


def test_a_missing_page_is_not_tried_again(server: Server, tmp_path: Path) -> None:
    server.answers = [404] * 2
    with pytest.raises(DataError, match="HTTP status 404"):
        ingest(server.url, tmp_path / "raw")
    assert server.requests == 1


@pytest.mark.parametrize(
    "url, problem",
    [
        ("ftp://host/a.csv", "download failed .InvalidSchema"),
        ("http://127.0.0.1:1/a.csv", "download failed .ConnectionError"),
        ("http://[/a.csv", "download failed .InvalidURL"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(
    url: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "RETRY", ingestion.RETRY.new(backoff_factor=0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DataError, match=problem):
        ingest(url, tmp_path / "raw")


def test_a_wrong_digest_leaves_the_raw_data_as_they_were(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(b"before")
    before = ingest(str(tmp_path / "a.csv"), tmp_path / "raw")
    with pytest.raises(
        DataError, match=f"data.sha256: expected 0000.*, found {DIGEST}"
    ):
        ingest(server.url, tmp_path / "raw", "0" * 64)
    assert before.read_bytes() == b"before"
    assert files_in(tmp_path) == {"a.csv", "raw"}


def test_raw_file_is_found_only_as_it_was_ingested(make_project: ProjectMaker) -> None:
    settings = make_project(rows=30)
    with pytest.raises(DataError, match="run `make data`"):
        raw_file(settings)
    raw = ingest(settings.data.source, settings.paths.data / "raw")
    assert raw_file(settings) == raw
    raw.write_bytes(b"changed")
    with pytest.raises(DataError, match="run `make data`"):
        raw_file(settings)


def test_first_download_infers_the_schema_and_later_ones_keep_it(
    make_project: ProjectMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_project()
    download(settings)
    schema_path = settings.data.schema_path
    assert load_schema(schema_path, settings).target == settings.data.target
    assert "review and commit it" in capsys.readouterr().out
    reviewed = schema_path.read_text(encoding="utf-8") + "# reviewed\n"
    schema_path.write_text(reviewed, encoding="utf-8")
    download(settings)
    assert schema_path.read_text(encoding="utf-8") == reviewed
    assert "review" not in capsys.readouterr().out


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
        frame.set_index("b").to_parquet(path)  # an index that has a name is a column
    path.rename(tmp_path / "download")
    pd.testing.assert_frame_equal(read_table(tmp_path / "download"), frame)


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "cannot be read"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2,3,4\n\n1,2,3\n", "Row #2: Expected 2 columns, got 4"),
        (b"# of May\na,b\n1,2\n", "Row #2: .* the first row, '# of May', is the header"),
        (b"a,b\n1,\0\n", "line 2 has a NUL character"),
        (b'<!DOCTYPE html>', "it is a web page or XML"),
        (b'[{"a": 1}]', "it is JSON"),
        (b"a\n\xff\n", "no UTF-8: line 2 has the byte 0xff"),
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


def test_a_failed_download_is_one_line_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    retry = ingestion.RETRY.new(total=1, backoff_factor=0)
    monkeypatch.setattr(ingestion, "RETRY", retry)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    problem = r"http://127\.0\.0\.1:1/a\.csv: download failed \(ConnectionError\); "
    with pytest.raises(DataError, match=problem):
        ingest("http://me:secret@127.0.0.1:1/a.csv?token=secret", tmp_path)
    assert "127.0.0.1" in caplog.text
    assert "secret" not in caplog.text

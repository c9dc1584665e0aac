"""Files, logging and the way commands fail."""

import argparse
import errno
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.utils.cli import config_parser, run, settings_from
from src.utils.config import LoggingSettings
from src.utils.errors import DataError
from src.utils.files import read_json, sha256_of, write_json
from src.utils.logging import REQUEST_ID, RUN_ID, setup_logging


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"ä": [1, None]})
    assert read_json(tmp_path / "new" / "a.json") == {"ä": [1, None]}


def test_json_refuses_numbers_that_it_has_no_word_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_unreadable_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file.*expected JSON"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DataError, match=r"a\.json: cannot be read"):
        read_json(tmp_path / "a.json")


def test_the_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a").startswith("ba7816bf8f01cfea")


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda: print(1 / 0))


def test_a_disk_that_refuses_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    def write() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x"))

    with pytest.raises(SystemExit) as ended:
        run(write)

    line = str(ended.value.code)
    assert line.startswith(f"error: {tmp_path / 'x'}: No space left")
    assert "\n" not in line


def test_another_error_of_the_system_is_a_defect_and_keeps_its_traceback() -> None:
    with pytest.raises(FileNotFoundError):
        run(lambda: print(Path("nowhere").read_text("utf-8")))


def test_the_command_line_names_the_configuration_files() -> None:
    arguments = config_parser("Test.").parse_args([])
    assert isinstance(arguments, argparse.Namespace)
    assert settings_from(arguments).logging.level == "INFO"


def test_logs_are_readable_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LoggingSettings(level="WARNING", format="text"))
    logging.getLogger("test").info("hidden")
    logging.getLogger("test").warning("shown")
    assert capsys.readouterr().err.endswith("WARNING shown\n")


def test_json_logs_say_which_run_and_request_they_are_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup_logging(LoggingSettings(format="json"))
    logging.getLogger("test").info("of none")
    tokens = RUN_ID.set("a1"), REQUEST_ID.set("b2")
    try:
        logging.getLogger("test").info("of both")
    finally:
        RUN_ID.reset(tokens[0])
        REQUEST_ID.reset(tokens[1])
    none, both = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert none.keys() == {"time", "level", "logger", "message"}
    assert (both["message"], both["run_id"], both["request_id"]) == (
        "of both",
        "a1",
        "b2",
    )

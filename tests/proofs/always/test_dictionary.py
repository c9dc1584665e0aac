"""The data dictionary that people read: what it says, and that it stays true."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from src.data import dictionary as command
from src.data.dictionary import check_dictionary, write_dictionary
from src.data.ingestion import ingest
from src.data.preprocessing import preprocess
from src.data.schema import DataSchema, write_schema
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import bring

SCHEMA = DataSchema.model_validate(
    {
        "name": "Pets | <b>",
        "description": "Of the\nneighbours.",
        "sensitive": ["owner"],
        "columns": {
            "a|ge": {"type": "integer", "min": 0, "max": 30, "unique": True},
            "owner": {"type": "category", "description": "Who *feeds* it."},
            "seen": {"type": "date", "format": "%d/%m/%Y"},
            "kind": {"type": "category", "role": "target", "values": ["cat", "`x`"]},
            "gone": {"type": "number", "role": "ignored"},
        },
    }
)
ROWS = pd.DataFrame(
    {
        "a|ge": ["1", "12", "soon", None],
        "owner": ["Bo", "Al", "Bo", "Cy"],
        "seen": ["01/02/2024", None, None, None],
        "kind": ["cat"] * 4,
    },
    dtype="str",
)


def dictionary(schema: DataSchema, raw: pd.DataFrame) -> str:
    """Return what is written about the rows."""
    with TemporaryDirectory() as folder:
        write_dictionary(Path(folder, "a.md"), schema, raw)
        return Path(folder, "a.md").read_text("utf-8")


def cells_of(name: str, *, of_data: bool = False) -> list[str]:
    """Return the cells of the line about a column: by the schema, or in the data."""
    text = dictionary(SCHEMA, ROWS).replace("\\|", "¦")
    lines = [x for x in text.splitlines() if x.startswith(f"| `{name}`")]
    return [cell.strip() for cell in lines[of_data].strip("|").split("|")]


@pytest.mark.parametrize("name", ["a¦ge", "owner", "seen", "kind", "gone"])
def test_every_column_has_a_line_of_as_many_cells_as_the_heading(name: str) -> None:
    assert len(cells_of(name)) == 5
    assert len(cells_of(name, of_data=True)) == 3


def test_text_is_not_taken_for_markup() -> None:
    text = dictionary(SCHEMA, ROWS)
    assert text.startswith("# Data dictionary: Pets \\| \\<b\\>\n\n")
    assert "\n\nOf the neighbours.\n" in text
    assert cells_of("owner")[4] == "Who \\*feeds\\* it."


def test_target_and_sensitive_columns_are_named() -> None:
    text = dictionary(SCHEMA, ROWS)
    assert "- Target: `kind`" in text
    assert "reported on separately: `owner`" in text


def test_it_says_who_writes_it_and_where_to_edit() -> None:
    head = " ".join(dictionary(SCHEMA, ROWS).split("\n\n")[1].split())
    assert "Written by preprocessing from `config/data_schema.yaml`" in head
    assert "What is written here by hand is lost." in head


@pytest.fixture
def project(make_project: ProjectMaker) -> Settings:
    """A project whose dictionary was written by a run."""
    settings = make_project(rows=60)
    bring(settings)
    preprocess(settings)
    return settings


def describe(settings: Settings, description: str) -> None:
    """Give the data set another description in the schema."""
    schema = bring(settings).model_copy(update={"description": description})
    write_schema(schema, settings.data.schema_path)


def test_a_run_that_changes_nothing_does_not_touch_the_file(project: Settings) -> None:
    path = project.data.dictionary_path
    before = path.stat().st_mtime_ns, path.read_bytes()
    preprocess(project)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_a_run_follows_the_schema(project: Settings) -> None:
    describe(project, "Reviewed.")
    preprocess(project)
    assert "Reviewed." in project.data.dictionary_path.read_text("utf-8")


def test_a_run_follows_the_data(project: Settings) -> None:
    source = Path(project.data.source)
    pd.read_csv(source).iloc[:50].to_csv(source, index=False)
    ingest(project.data.source, project.paths.raw)
    preprocess(project)
    assert "Rows: 50\n" in project.data.dictionary_path.read_text("utf-8")


def test_data_that_break_the_schema_are_not_described(project: Settings) -> None:
    before = project.data.dictionary_path.read_bytes()
    with Path(project.data.source).open("a", encoding="utf-8") as file:
        file.write("1,old,Oslo,True,2024-01-01,,yes\n")
    ingest(project.data.source, project.paths.raw)
    with pytest.raises(DataError, match="breaks type integer"):
        preprocess(project)
    assert project.data.dictionary_path.read_bytes() == before


@pytest.mark.parametrize("old", ["- Target: `outcome`", "| `age` | integer |"])
def test_the_check_finds_what_was_edited_by_hand(old: str, project: Settings) -> None:
    path = project.data.dictionary_path
    text = path.read_text("utf-8")
    path.write_text(text.replace(old, f"{old} by hand"), "utf-8")
    with pytest.raises(DataError, match=r"line \d+: found .*by hand"):
        check_dictionary(project)


def test_the_check_finds_a_dictionary_that_breaks_off(project: Settings) -> None:
    path = project.data.dictionary_path
    path.write_text("".join(path.read_text("utf-8").splitlines(True)[:12]), "utf-8")
    with pytest.raises(DataError, match="line 13: found no line, expected"):
        check_dictionary(project)


def test_the_check_needs_no_data_and_no_rows_like_those_described(
    project: Settings,
) -> None:
    for file in project.paths.raw.iterdir():
        file.unlink()
    assert "the dictionary of" in check_dictionary(project)


def test_the_check_finds_that_one_of_both_is_missing(project: Settings) -> None:
    schema_path, path = project.data.schema_path, project.data.dictionary_path
    text = path.read_bytes()
    path.unlink()
    with pytest.raises(DataError, match="data_dictionary.md: line 1: found no line"):
        check_dictionary(project)
    schema_path.unlink()
    assert "no data schema yet" in check_dictionary(project)
    path.write_bytes(text)
    with pytest.raises(ConfigError, match="data_schema.yaml: file not found"):
        check_dictionary(project)


def test_the_command_checks(
    project: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "settings_from", lambda _: project)
    monkeypatch.setattr(sys, "argv", ["dictionary.py", "--check"])
    command.main()
    assert "the dictionary of" in capsys.readouterr().out


def test_a_run_says_that_it_wrote_the_dictionary_once(
    project: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    project.data.dictionary_path.unlink()
    caplog.set_level("INFO")
    preprocess(project)
    preprocess(project)
    (written,) = [x for x in caplog.messages if "dictionary" in x]
    assert written.endswith("written; review and commit it")


def test_the_format_of_dates_is_shown() -> None:
    assert cells_of("seen")[3] == "written `%d/%m/%Y`"

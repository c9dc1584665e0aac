"""The data dictionary that people read: what it says, and when it is written."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from src.data.dictionary import COLUMNS, account, write_dictionary
from src.data.ingestion import ingest
from src.data.preprocessing import preprocess
from src.data.schema import DataSchema, write_schema
from src.utils.config import Settings
from src.utils.errors import DataError
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
        write_dictionary(Path(folder, "a.md"), schema, raw, account(schema, raw))
        return Path(folder, "a.md").read_text("utf-8")


def cells_of(name: str) -> list[str]:
    """Return the cells of the line about a column."""
    text = dictionary(SCHEMA, ROWS).replace("\\|", "¦")
    line, *_ = [x for x in text.splitlines() if x.startswith(f"| `{name}`")]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", ["a¦ge", "owner", "seen", "kind", "gone"])
def test_every_column_has_a_line_of_as_many_cells_as_the_heading(name: str) -> None:
    assert len(cells_of(name)) == len(COLUMNS)


def test_text_is_not_taken_for_markup() -> None:
    text = dictionary(SCHEMA, ROWS)
    assert text.startswith("# Data dictionary: Pets \\| \\<b\\>\n\n")
    assert "\n\nOf the neighbours.\n" in text
    assert cells_of("owner")[-1] == "Who \\*feeds\\* it."


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
    ingest(project.data.source, project.paths.data / "raw")
    preprocess(project)
    assert "Read: 50 rows; columns used: " in project.data.dictionary_path.read_text("utf-8")


def test_data_that_break_the_schema_are_not_described(project: Settings) -> None:
    before = project.data.dictionary_path.read_bytes()
    with Path(project.data.source).open("a", encoding="utf-8") as file:
        file.write("1,old,Oslo,True,2024-01-01,,yes\n")
    ingest(project.data.source, project.paths.data / "raw")
    with pytest.raises(DataError, match="breaks type integer"):
        preprocess(project)
    assert project.data.dictionary_path.read_bytes() == before


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


PETS = {
    "age": {"type": "integer", "min": 0, "max": 30, "unique": True},
    "owner": {"type": "category", "description": "Who *feeds* it."},
    "kind": {"type": "category", "role": "target", "values": ["cat", "`x`"]},
    "gone": {"type": "number", "role": "ignored"},
}


PET_SCHEMA = DataSchema.model_validate({"name": "Pets | <b>", "columns": PETS})


def test_the_dictionary_says_what_the_schema_asks_for_and_what_the_data_hold(
    tmp_path: Path,
) -> None:
    age, owner = ["1", "12", "soon", None], ["Bo", "Cy", "Bo", "Al"]
    rows = pd.DataFrame({"age": age, "owner": owner, "kind": "cat"}, dtype="str")
    write_dictionary(tmp_path / "a.md", PET_SCHEMA, rows, account(PET_SCHEMA, rows))
    lines = (tmp_path / "a.md").read_text().splitlines()
    assert lines[0] == r"# Data dictionary: Pets \| \<b\>"
    assert [line for line in lines if line.startswith("| `")] == [
        "| `age` | integer | feature | from 0 to 30 unique | 50.0% | 1 to 12 |  |",
        "| `owner` | category | feature |  | 0.0% "
        r"| 3 distinct, such as `Bo`, `Al`, `Cy` | Who \*feeds\* it. |",
        "| `kind` | category | target | `cat`, `` `x` `` | 0.0% |  |  |",
        "| `gone` | number | ignored |  | absent |  |  |",
        "| `kind` | target |  |",
        "| `gone` | not used |  |",
    ]

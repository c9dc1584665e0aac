"""Bad answers: refused all at once, in plain lines, with nothing left on disk."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.generating import TEMPLATE, answered, cookiecutter, load_hook

HOOK = load_hook("pre_gen_project")
STANDARD = answered()
# A few of the standard library's modules that take milliseconds to import.
COSTLY = {"csv", "dataclasses", "gzip", "inspect", "logging", "pathlib", "shutil"}
COSTLY |= {"subprocess", "tempfile", "typing", "urllib.parse"}
URL = {"data_source": "https://example.com/a.csv", "target_column": "y"}


def problems(**answers: str) -> dict[str, str]:
    """Return question -> rule for what is refused of some answers."""
    return dict(HOOK.find_problems(STANDARD | answered(**answers)))


def test_good_answers_pass() -> None:
    assert problems() == {}
    assert problems(**URL) == {}


@pytest.mark.parametrize(
    ("question", "answer", "rule"),
    [
        ("project_name", "", "not empty"),
        ("project_name", "   ", "not empty"),
        ("project_name", " a", "no space"),
        ("project_name", "a" * 201, "at most 200 characters, not 201"),
        ("project_name", "a\nb", "one line"),
        ("project_name", "a\tb", "control characters"),
        ("description", "", "not empty"),
        ("description", "a" * 501, "at most 500"),
        ("description", "a\u2028b", "one line"),
        ("description", "a\x85b", "one line"),
        ("description", "a\x7fb", "control"),
        ("description", "a\ufffeb", "control"),
        ("description", "a\ud800b", "control"),
        ("author_name", "", "not empty"),
        ("author_name", "a" * 201, "at most 200"),
        ("target_column", "", "not empty"),
        ("data_source", "", "not empty"),
    ],
)
def test_a_text_that_some_file_could_not_hold_is_refused(
    question: str, answer: str, rule: str
) -> None:
    assert rule in problems(**{question: answer})[question]


@pytest.mark.parametrize(
    "slug",
    ["", "Churn", "churn model", "chürn", "-churn", "churn_", "churn.model", "..", "."]
    + [
        "a/b",
        "../a",
        "/tmp/a",
        "a\\b",
        "a" * 64,
        "a" * 300,
        "🚀" * 63,
        "a\nb",
        "--help",
    ],
)
def test_a_slug_that_is_no_name_of_a_folder_and_a_package_is_refused(slug: str) -> None:
    assert "lower-case letters, digits" in problems(project_slug=slug)["project_slug"]


@pytest.mark.parametrize(
    "slug", ["con", "nul", "com1", "lpt9", "pandas", "scikit-learn", "scikit_learn"]
)
def test_a_slug_that_windows_or_a_package_has_is_refused(slug: str) -> None:
    assert "Windows" in problems(project_slug=slug)["project_slug"]


@pytest.mark.parametrize(
    "slug", ["a", "7", "churn", "churn_model-2", "a" * 63, "con-1"]
)
def test_other_slugs_pass(slug: str) -> None:
    assert problems(project_slug=slug) == {}


@pytest.mark.parametrize(
    "email",
    ["", "x", "x@y", "@example.com", "x@", "a b@example.com", 'a"@example.com']
    + ["x@example..com", "a@b@example.com", "x" * 250 + "@example.com", "a\\@b.com"],
)
def test_an_email_address_that_is_none_is_refused(email: str) -> None:
    assert "name@domain" in problems(author_email=email)["author_email"]


@pytest.mark.parametrize("email", ["o'neil+ml@mail.example.org", "müller@exämple.de"])
def test_unusual_email_addresses_pass(email: str) -> None:
    assert problems(author_email=email) == {}


# Data. The hook runs in the project's folder; a relative path counts from above it.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a project is generated into; its own is the current one."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


GOOD = {
    "plain.csv": b"a,y\n1,2\n",
    "excel.csv": '\ufeff"y";"größe"\r\n1;2\r\n'.encode(),
    "tabs.tsv": b"a\ty\n1\t2\n",
    "quoted.csv": b'"a\nb","y"\n\n1,2\n',
    "UPPER.CSV": b"a,y\n1,2",
    "zipped.csv.gz": gzip.compress(b"a,y\n1,2\n"),
    "table.parquet": b"PAR1 what is between needs a library PAR1",
}
BAD = {
    "empty.csv": (b"", "this one is empty"),
    "blank.csv": (b"\n\n", "this one is empty"),
    "header.csv": (b"a,y\n", "no rows"),
    "latin.csv": ("größe,y\n1,2\n".encode("latin-1"), "UTF-8"),
    "book.xlsx": (b"PK\x03\x04\x9c\xff\xfe", "UTF-8"),
    "empty.csv.gz": (gzip.compress(b""), "this one is empty"),
    "cut.csv.gz": (gzip.compress(b"a,y\n1,2\n")[:-12], "that can be read"),
    "broken.csv.gz": (b"\x1f\x8b broken beyond repair", "that can be read"),
    "cut.parquet": (b"PAR1 and then it ends", "cut off"),
    "short.parquet": (b"PAR1", "cut off"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_data_file_with_its_target_passes(name: str, folder: Path) -> None:
    (folder / name).write_bytes(GOOD[name])
    assert problems(data_source=name, target_column="y") == {}
    assert problems(data_source=str(folder / name), target_column="y") == {}


@pytest.mark.parametrize("name", BAD)
def test_a_data_file_that_is_no_table_is_refused(name: str, folder: Path) -> None:
    content, rule = BAD[name]
    (folder / name).write_bytes(content)
    found = problems(data_source=name, target_column="y")
    assert list(found) == ["data_source"]
    assert rule in found["data_source"]


def test_a_data_file_that_is_not_there_is_refused_with_where_it_was_looked_for(
    folder: Path,
) -> None:
    (folder / "project" / "a.csv").write_bytes(GOOD["plain.csv"])
    found = problems(data_source="a.csv", target_column="y")
    assert f"{folder / 'a.csv'} does not" in found["data_source"]
    assert "not a folder" in problems(data_source=".")["data_source"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_data_file_that_may_not_be_read_is_refused(folder: Path) -> None:
    (folder / "a.csv").write_bytes(GOOD["plain.csv"])
    (folder / "a.csv").chmod(0)
    found = problems(data_source="a.csv", target_column="y")
    assert "Permission denied" in found["data_source"]


def test_a_home_folder_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "a.csv").write_bytes(GOOD["plain.csv"])
    assert problems(data_source="~/a.csv", target_column="y") == {}


def test_a_target_that_the_data_lack_is_refused_with_the_columns(folder: Path) -> None:
    (folder / "a.csv").write_bytes(b"a,b\n1,2\n")
    found = problems(data_source="a.csv", target_column="y")
    assert found == {"target_column": "a column of a.csv: a, b"}
    found = problems(data_source="a.csv")
    assert "a column of a.csv: a, b ('income' is the sample's" in found["target_column"]


def test_the_sample_has_no_other_target_than_its_own() -> None:
    assert "'income' with the sample" in problems(target_column="age")["target_column"]
    assert problems(task="regression", target_column="bikers") == {}
    assert (
        "'bikers'" in problems(task="regression", target_column="hr")["target_column"]
    )


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/a.csv", "s3://bucket/a.csv", "https://", "http:///a", "://"],
)
def test_an_address_that_is_no_web_address_is_refused(url: str) -> None:
    assert "http://" in problems(data_source=url, target_column="y")["data_source"]


def test_an_update_by_cruft_does_not_ask_for_the_data_again() -> None:
    answers = answered(data_source="gone.csv", target_column="y")
    assert HOOK.find_problems(answers)
    assert HOOK.find_problems(answers | {"_commit": "c0ffee"}) == []


# What people see.


def test_all_bad_answers_are_refused_at_once_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    bad = {
        "project_name": " ",
        "project_slug": "Bad Slug",
        "description": "one\ntwo",
        "author_name": "a" * 300,
        "author_email": "nobody",
        "data_source": "missing.csv",
    }
    given = [f"{question}={answer}" for question, answer in bad.items()]
    finished = cookiecutter("-o", str(tmp_path), *given)
    assert finished.returncode == 1
    assert list(tmp_path.iterdir()) == []
    lines = finished.stderr.splitlines()
    assert "Traceback" not in finished.stderr
    for question, answer in bad.items():
        (start,) = (
            i for i, line in enumerate(lines) if line.startswith(f"  {question}: ")
        )
        assert answer.encode("unicode_escape").decode()[:90] in lines[start]
        assert lines[start + 1].startswith("    expected: ")
        assert lines[start + 2] == f"    example:  {HOOK.EXAMPLES[question]}"
    assert sum(line.startswith("    expected: ") for line in lines) == len(bad)


def test_the_examples_pass(folder: Path) -> None:
    columns = f"id,{HOOK.EXAMPLES['target_column']}\n1,no\n"
    (folder / HOOK.EXAMPLES["data_source"]).write_text(columns)
    assert problems(**HOOK.EXAMPLES) == {}


@pytest.mark.parametrize("slug", ["", "a/b/c", "../a", "a" * 300, "🚀" * 63])
def test_a_slug_that_could_be_no_folder_is_refused_without_a_trace(
    slug: str, tmp_path: Path
) -> None:
    output = tmp_path / "projects"
    output.mkdir()
    finished = cookiecutter("-o", str(output), f"project_slug={slug}")
    assert finished.returncode == 1
    assert "  project_slug: '" in finished.stderr
    assert list(tmp_path.rglob("*")) == [output]


def test_refusal_leaves_an_existing_folder_as_it_was(tmp_path: Path) -> None:
    project = tmp_path / "churn"
    project.mkdir()
    (project / "notes.txt").write_text("mine")
    answers = ["project_slug=churn", "author_email=nobody"]
    finished = cookiecutter("-o", str(tmp_path), "--overwrite-if-exists", *answers)
    assert finished.returncode == 1
    assert [path.name for path in project.rglob("*")] == ["notes.txt"]


@pytest.mark.parametrize("name", ["pre_gen_project", "post_gen_project"])
def test_hooks_import_little_as_two_starts_are_part_of_every_generation(
    name: str,
) -> None:
    path = TEMPLATE / "hooks" / f"{name}.py"
    code = f"""
import sys
before = set(sys.modules)
exec(open({str(path)!r}, encoding="utf-8").read(), {{"__name__": "hook"}})
print(*(set(sys.modules) - before))
"""
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "json" in loaded.stdout
    assert not COSTLY & set(loaded.stdout.split())

"""Bad answers: refused all at once, in plain lines, with nothing left on disk."""

import gzip
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cookiecutter.utils import create_env_with_context
from setuptools import Distribution
from setuptools.config.pyprojecttoml import apply_configuration

from tests.generating import (
    FOLDER,
    NASTY,
    TEMPLATE,
    answered,
    clean_template,
    cookiecutter,
    files,
    load_hook,
    typed,
)

HOOK = load_hook("pre_gen_project")
STANDARD = answered()
# A few of the standard library's modules that take milliseconds to import.
COSTLY = {"csv", "dataclasses", "gzip", "inspect", "logging", "pathlib", "shutil"}
COSTLY |= {"subprocess", "tempfile", "typing", "urllib.parse"}
URL = {"data_source": "https://example.com/a.csv", "target_column": "y"}


def problems(**answers: object) -> dict[str, str]:
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
        ("target_column", " ", "not empty"),
        ("target_column", "", "'income' with the sample"),
        ("author_email", "", "not empty"),
        ("author_email", "a@example.com\n", "one line"),
        ("author_email", "a\x7f@example.com", "control"),
        ("data_source", "", "not empty"),
    ],
)
def test_a_text_that_some_file_could_not_hold_is_refused(
    question: str, answer: str, rule: str
) -> None:
    assert rule in problems(**{question: answer})[question]


@pytest.mark.parametrize("choice", ["evidently", "nannyml"])
def test_monitoring_without_a_service_is_refused(choice: str) -> None:
    rule = problems(serving="none", monitoring=choice)["monitoring"]
    assert rule.startswith("'none' with serving=none")
    assert problems(serving="flask", monitoring=choice) == {}
    example = HOOK.EXAMPLES_OF_CHOICES["monitoring"]
    assert problems(serving="none", monitoring=example) == {}
    output = cookiecutter("serving=none", f"monitoring={choice}").stderr
    assert f"  monitoring: '{choice}'\n    expected: {rule}\n" in output
    assert f"    example:  {example}\n" in output


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
    ["x", "x@y", "@example.com", "x@", "a b@example.com", 'a"@example.com']
    + ["x@example..com", "a@b@example.com", "x" * 250 + "@example.com", "a\\@b.com"]
    + ["müller@example.de", "a..b@example.com", "anna.@example.com", ".a@example.com"]
    + ["a@exämple.de", "a@-example.com", "a@example-.com", "a@example.com."]
    + ["\u212ate@example.com", "kate@example.com (work)"],
)
def test_an_email_address_that_is_none_is_refused(email: str) -> None:
    assert "name@domain" in problems(author_email=email)["author_email"]


@pytest.mark.parametrize(
    "email",
    ["o'neil+ml@mail.example.org", "A.B-c_d@EXAMPLE.com", "{a|b}!#$%&*/=?^`~@x.io"]
    + ["mueller@xn--exmple-cua.de", "1@2.example"],
)
def test_unusual_email_addresses_pass(email: str) -> None:
    assert problems(author_email=typed(email)) == {}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> "Built":
    """What setuptools makes of an author and an e-mail address."""
    return Built(tmp_path_factory.mktemp("built"))


class Built:
    """The metadata of a generated project, built by setuptools itself."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "pyproject.toml"
        for name in ("README.md", "LICENSE"):
            (folder / name).write_text("Here.\n", encoding="utf-8")
        environment = create_env_with_context({"cookiecutter": STANDARD})
        text = (FOLDER / "pyproject.toml").read_text(encoding="utf-8")
        self.template = environment.from_string(text)

    def __call__(self, **answers: str) -> str:
        """Return the metadata of a project with these answers."""
        text = self.template.render(cookiecutter=STANDARD | answers)
        self.file.write_text(text, encoding="utf-8")
        metadata = io.StringIO()
        project = apply_configuration(Distribution(), self.file)
        project.metadata.write_pkg_file(metadata)
        return metadata.getvalue()


LOCALS = ["a", "a.b", "a..b", ".a", "a.", "a b", "ä", "a\t", "a,b", "a:b", "(a)", "<a>"]
LOCALS += [
    "a+b",
    "o'neil",
    "a/b",
    "a=b",
    "{a}",
    "a@b",
    '"a b"',
    "a\u212a",
    "",
    "-",
    "%s",
]
DOMAINS = [
    "b.c",
    "b",
    "b..c",
    ".b.c",
    "b.c.",
    "-b.c",
    "ö.de",
    "b_c.de",
    "b c.de",
    "[::1]",
]
DOMAINS += [
    "xn--x-1fa.de",
    "b.c\x7f",
    "b.c (d)",
    "b,c.d",
    "127.0.0.1",
    "B-2.example",
    "",
]


def test_whatever_email_address_passes_is_one_that_setuptools_takes(
    built: Built,
) -> None:
    accepted = 0
    for local, domain in itertools.product(LOCALS, DOMAINS):
        email = f"{local}@{domain}"
        if "author_email" in dict(
            HOOK.find_problems(STANDARD | {"author_email": email})
        ):
            continue
        accepted += 1
        assert f"<{email}>" in built(author_email=email)
    assert accepted > 20


@pytest.mark.parametrize("email", ["müller@example.de", "a..b@example.com", "a.@b.com"])
def test_setuptools_refuses_what_the_hook_refuses_for_its_sake(
    built: Built, email: str
) -> None:
    with pytest.raises(Exception, match="ASCII|dot|Invalid"):
        built(author_email=email)


@pytest.mark.parametrize(
    "author", [NASTY, 'Ann "A" O\'Neil', "A, B & Co.", "<a@b.c>", "Zoë \\", "@", "年"]
)
def test_any_author_is_one_that_setuptools_takes(built: Built, author: str) -> None:
    answers = answered(author_name=typed(author))
    assert HOOK.find_problems(answers) == []
    escaped = answers["__escaped_author_name"]
    assert "Author-email: " in built(__escaped_author_name=escaped)


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
    "utf16.csv": "größe,y\r\n1,2\r\n".encode("utf-16"),
    "utf16_big_endian.csv": b"\xfe\xff" + "größe;y\n1;2\n".encode("utf-16-be"),
    "told.csv": b"SEP=^\r\na^y\r\n1^2\r\n",
    "told_tabs.csv": b"sep=\t\r\n\r\na\ty\r\n1\t2\r\n",
    "told_nothing.csv": b"sep=\r\na,y\r\n1,2\r\n",
    "blank_lines_first.csv": b"\xef\xbb\xbf\r\n\r\na|y\r\n1|2\r\n",
    "commas_in_header.csv": b"size, weight, age;y\n1;2\n3;4\n",
    "commas_in_numbers.csv": b"a;b;c;y\n1,5;2,5;3,5;4,5\n1,5;2,5;3,5;4,5\n",
    "blanks.csv": "a ,\xa0y\t\n1,2\n".encode(),
    "long.csv": b"a,y\n" + b"x" * 200_000 + b",2\n",
    "wide.csv": b"a," * 200_000 + b"y\n" + b"1," * 200_000 + b"2\n",
    # What takes a library to read is left to the project.
    "table.parquet": b"PAR1 what is between needs a library PAR1",
    "table.parquet.gz": gzip.compress(b"PAR1 what is between needs a library PAR1"),
    "book.xlsx": b"PK\x03\x04\x9c\xff\xfe",
    "book.xls": b"\xd0\xcf\x11\xe0\x9c\xff\xfe",
    "table.csv.zip": b"PK\x03\x04\x9c\xff\xfe",
}
BAD = {
    "empty.csv": (b"", "this one is empty"),
    "blank.csv": (b"\n\n", "this one is empty"),
    "header.csv": (b"a,y\n", "no rows"),
    "latin.csv": ("größe,y\n1,2\n".encode("latin-1"), "UTF-8"),
    "latin_later.csv": ("a,y\nü,2\n".encode("latin-1"), "UTF-8"),
    "told_alone.csv": (b"sep=;\n", "this one is empty"),
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
    assert found == {"target_column": "a column of a.csv: a, b"}
    found = problems(data_source="a.csv", target_column="income")
    assert "a column of a.csv: a, b ('income' is the sample's" in found["target_column"]
    (folder / "unnamed.csv").write_bytes(b",b\n1,2\n")
    found = problems(data_source="unnamed.csv")
    assert found == {"target_column": "a column of unnamed.csv: Unnamed: 0, b"}


def test_columns_are_named_as_the_project_names_them(folder: Path) -> None:
    (folder / "a.csv").write_bytes(b"y,,y,y.1, ,y\n1,2,3,4,5,6\n")
    names = ["y", "Unnamed: 1", "y.1", "y.1.1", "Unnamed: 4", "y.2"]
    found = problems(data_source="a.csv", target_column=" ,")
    assert found == {"target_column": f"a column of a.csv: {', '.join(names)}"}
    for name in names:
        assert problems(data_source="a.csv", target_column=name) == {}


@pytest.mark.parametrize("source", ["https://example.com/a.csv", "table.parquet"])
def test_a_target_that_was_not_named_is_refused_where_columns_cannot_be_seen(
    source: str, folder: Path
) -> None:
    (folder / "table.parquet").write_bytes(GOOD["table.parquet"])
    found = problems(data_source=source)
    assert found == {
        "target_column": "the name of a column of your data, to be predicted"
    }


def test_a_target_that_was_not_named_is_refused_together_with_the_data(
    folder: Path,
) -> None:
    assert set(problems(data_source="a.csv")) == {"data_source", "target_column"}


@pytest.mark.parametrize("source", ["SAMPLE", "Sample"])
def test_the_word_sample_is_taken_in_any_case(source: str) -> None:
    assert problems(data_source=source) == {}
    answers = answered(data_source=source)
    assert answers["__source"] == STANDARD["__source"]
    assert answers["target_column"] == "income"


def test_the_sample_has_no_other_target_than_its_own() -> None:
    assert "'income' with the sample" in problems(target_column="age")["target_column"]
    assert problems(task="regression", target_column="bikers") == {}
    assert (
        "'bikers'" in problems(task="regression", target_column="hr")["target_column"]
    )


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/a.csv", "s3://bucket/a.csv", "https://", "http:///a", "://"]
    + ["https://user:sec/ret@example.com/a.csv", "http://localhost:x/a.csv"],
)
def test_an_address_that_is_no_web_address_is_refused(url: str) -> None:
    assert "http://" in problems(data_source=url, target_column="y")["data_source"]


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8000/a.csv", "https://[::1]:80/a.csv", "HTTPS://example.com"]
    + ["https://cdn.example.com/team/data@1.2/a.csv?key_column=id&page=2#part"],
)
def test_other_web_addresses_pass(url: str) -> None:
    assert problems(data_source=url, target_column="y") == {}


@pytest.mark.parametrize(
    "url",
    ["https://ann:hush@example.com/a.csv", "https://hush@example.com", "ftp://a:hush@b"]
    + [
        f"https://example.com/a.csv?v=1&{name}=hush"
        for name in ("token", "X-Amz-Signature", "sig", "api_key", "PASSWORD", "key")
    ],
)
def test_a_secret_in_an_address_is_refused_with_where_to_put_it_and_not_said_again(
    url: str,
) -> None:
    answers = STANDARD | {"data_source": url, "target_column": "y"}
    found = HOOK.find_problems(answers)
    assert "MLOPS_DATA__SOURCE" in dict(found)["data_source"]
    said = HOOK.report(found, answers)
    assert "hush" not in said
    assert "data_source: '" + url.partition("//")[0] in said


def test_an_update_by_cruft_does_not_ask_for_the_data_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = answered(data_source="gone.csv", target_column="y")
    assert HOOK.find_problems(answers)
    made_by_cruft = answers | {"_commit": "c0ffee"}
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "tmp1/project").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "tmp1/project")
    assert HOOK.find_problems(made_by_cruft) == []
    assert HOOK.find_problems(answers), "Cookiecutter made this one"
    (tmp_path / "tmp1/neighbour").mkdir()
    assert HOOK.find_problems(made_by_cruft), "cruft created this one, for good"


@pytest.mark.parametrize(
    "question", [name for name in HOOK.EXAMPLES if name != "project_slug"]
)
@pytest.mark.parametrize("answer", [True, False, None, {"a": "b"}])
def test_an_answer_that_is_no_text_is_refused_with_what_yaml_needs(
    question: str, answer: object
) -> None:
    found = HOOK.find_problems(STANDARD | {question: answer})
    assert "between quotes" in dict(found)[question]
    assert f"  {question}: '" in HOOK.report(found, STANDARD | {question: answer})


def test_cookiecutter_1_is_refused_as_it_leaves_private_variables_as_they_are() -> None:
    text = (TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8")
    private = {k: v for k, v in json.loads(text).items() if k.startswith("_")}
    assert HOOK.is_too_old(STANDARD | private)
    for choice in json.loads(text)["license"]:
        assert not HOOK.is_too_old(answered(license=choice))
    assert "Cookiecutter 2.1 or newer" in HOOK.TOO_OLD


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
        "target_column": "",
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


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_characters_that_are_none_are_refused_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    settings = tmp_path / "settings.json"  # JSON is YAML, too
    bad = {question: f"a\ud800{text}" for question, text in HOOK.EXAMPLES.items()}
    settings.write_text(json.dumps({"default_context": bad}))
    output = ["-o", str(tmp_path / "out"), "--config-file", str(settings)]
    finished = cookiecutter(*output)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    for question, text in HOOK.EXAMPLES.items():
        assert f"  {question}: 'a\\ud800{text}'" in finished.stderr
    assert not list((tmp_path / "out").glob("*"))


def test_bytes_that_are_no_text_are_refused_without_a_traceback(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input"]
    command += ["-o", str(tmp_path)]
    given = [f"{question}=".encode() + b"\xff" for question in HOOK.EXAMPLES]
    finished = subprocess.run(
        [*command, *given], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert finished.stderr.count(": '\\udcff'") == len(given)
    assert list(tmp_path.iterdir()) == []


def test_answers_that_yaml_reads_as_no_text_are_refused_without_a_traceback(
    tmp_path: Path,
) -> None:
    settings = tmp_path / "settings.yaml"
    lines = [f"  {question}: on" for question in HOOK.EXAMPLES]
    settings.write_text("\n".join(["default_context:", *lines]))
    output = ["-o", str(tmp_path / "out"), "--config-file", str(settings)]
    finished = cookiecutter(*output)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert finished.stderr.count("between quotes") == len(lines) - 1
    assert "  project_slug: 'True'" in finished.stderr
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.slow
def test_cookiecutter_1_makes_nothing_and_2_1_what_the_newest_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.yaml"  # not in JSON: the old one reads no such YAML
    settings.write_text(f"replay_dir: {tmp_path}\ncookiecutters_dir: {tmp_path}\n")
    monkeypatch.setenv("COOKIECUTTER_CONFIG", str(settings))
    made = {}
    for version in ("1.7.3", "2.1.0", "2.7.1"):
        output = tmp_path / version
        uv = str(Path(sys.executable).parent / "uv")
        command = [uv, "tool", "run", f"cookiecutter@{version}"]
        command += [str(clean_template()), "--no-input", "-o", str(output)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (finished.returncode == 0) is version.startswith("2"), finished.stderr
        made[version] = {
            path: (output / path).read_bytes()
            for path in (files(output) if output.exists() else ())
        }
        if version == "1.7.3":
            assert "needs Cookiecutter 2.1 or newer" in finished.stderr
    assert made["1.7.3"] == {}
    assert made["2.1.0"] == made["2.7.1"] != {}


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

"""Refuses answers that cannot work, all at once, before anything is written.

It runs on the standard library of whatever Python runs Cookiecutter, and without a
network. What it cannot see (a URL, the columns of a Parquet or an Excel file) the
project checks when it first reads its data.

A slug that could not even be a folder never becomes one: ``cookiecutter.json`` keeps
the answer in ``__project_slug`` and has ``.refused`` rendered in its place.
"""

import json
import os
import re
import sys
import time
import unicodedata

TEXTS = ("project_name", "description", "author_name")
LONGEST = {"project_name": 200, "description": 500, "author_name": 200}
EXAMPLES = {
    "project_name": "Churn of customers",
    "project_slug": "churn-of-customers",
    "description": "Tells which customers are about to leave.",
    "author_name": "The churn team",
    "author_email": "team@example.com",
    "data_source": "customers.csv",
    "target_column": "churned",
}
# Of questions with choices, of which Cookiecutter itself refuses what is none.
EXAMPLES_OF_CHOICES = {"monitoring": "none"}
SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
# As setuptools takes it: ASCII, and each dot between two characters that are none.
ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
EMAIL = re.compile(rf"{ATOM}(\.{ATOM})*@{LABEL}(\.{LABEL})+", re.IGNORECASE | re.ASCII)
URL = re.compile(
    r"https?://(\[[\da-f:.]+\]|[^\s/?#:@\[\]]+)(:\d+)?(/\S*)?", re.IGNORECASE
)
# A user or password before the host, or a parameter that is named as secrets are.
SECRET = re.compile(
    r"://[^/?#]*@|[?&#;]([^=&#;]*(token|secret|passw|signature|credential|api[-_]?key)"
    r"[^=&#;]*|sig|pwd|auth|key)=",
    re.IGNORECASE,
)
# These end a line, or are no characters at all, for a YAML or a TOML file.
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
# A CSV file is read as src/data/reading.py of the project does.
SEPARATORS = ",;\t|"
HEAD = 2**16  # characters that tell what separates the columns
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Zip (also Excel), old Excel and Parquet take a library to read.
OPAQUE = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1")
TABLE = "a CSV, Parquet or Excel file"
TOO_OLD = """
No project was generated. This template needs Cookiecutter 2.1 or newer, and this one
is older. Install one that is: pip install --upgrade cookiecutter

Below, Cookiecutter tells in its way that it stopped."""
# Written for post_gen_project.py, which names them too.
RECORD = ".cookiecutter-existing.json"
ASIDE = ".cookiecutter-aside"


class BadData(Exception):
    """What is wrong with the data file."""


def text_problem(question, answer):
    """Return the rule that a free text breaks, or None."""
    if not isinstance(answer, str):
        return "text, in a YAML file between quotes; YAML reads this as something else"
    if any(
        unicodedata.category(character) in UNPRINTABLE or character in "\ufffe\uffff"
        for character in answer
    ):
        return "one line of text, without tabs or other control characters"
    if not answer.strip():
        return "not empty"
    if question in TEXTS and answer != answer.strip():
        return "no space at its beginning or end"
    if len(answer) > LONGEST.get(question, len(answer)):
        return f"at most {LONGEST[question]} characters, not {len(answer)}"
    return None


def slug_problem(slug, taken):
    """Return the rule that a slug breaks, or None.

    Args:
        slug: The answer.
        taken: Names that Windows reserves or that a package of the project has.
    """
    if not SLUG.fullmatch(slug):
        return (
            "1 to 63 lower-case letters, digits, - and _, "
            "with a letter or digit at both ends"
        )
    if re.sub(r"[-_]+", "-", slug) in taken:
        return (
            "not a name that Windows reserves or that a package has which the "
            "project installs"
        )
    return None


def email_problem(email):
    """Return the rule that an e-mail address breaks, or None."""
    if len(email) > 254 or not EMAIL.fullmatch(email):
        return (
            "an e-mail address: name@domain in ASCII, at most 254 characters, no dot "
            "doubled or at an end"
        )
    return None


def read_header(path):
    """Return the columns of a data file, None where they cannot be told from here.

    Args:
        path: The file.

    Raises:
        BadData: If the file is missing, empty, or is no table.
    """
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
            if magic == b"PAR1":
                file.seek(-4, os.SEEK_END)
                if file.tell() < 8 or file.read() != b"PAR1":
                    raise BadData(f"{TABLE}; this Parquet file is cut off")
                return None
        return read_csv_header(path, magic.startswith(b"\x1f\x8b"))
    except FileNotFoundError:
        raise BadData(f"{TABLE} that exists; {os.path.abspath(path)} does not")
    except IsADirectoryError:
        raise BadData(f"{TABLE}, not a folder")
    except UnicodeError:
        raise BadData(f"{TABLE}, a CSV file in UTF-8; this is none")
    except (OSError, EOFError) as error:
        raise BadData(f"{TABLE} that can be read; {error}")


def read_csv_header(path, compressed):
    """Return the columns of a CSV file that has at least one row below them."""
    import csv
    import gzip
    import io
    import zlib

    try:
        with gzip.open(path) if compressed else open(path, "rb") as file:
            magic = file.read(4)
            if magic.startswith(OPAQUE):
                return None
            file.seek(0)
            encoding = "utf-16" if magic.startswith(UTF_16) else "utf-8-sig"
            lines = io.TextIOWrapper(file, encoding=encoding, newline="")
            head = lines.read(HEAD).lstrip("\r\n")
            tells = head[:4].lower() == "sep="  # as a file does to Excel
            separator = head[4:5].strip("\r\n") or "," if tells else separator_of(head)
            lines.seek(0)
            rows = filter(None, csv.reader(lines, delimiter=separator))
            if tells:
                next(rows)
            columns, row = next(rows, None), next(rows, None)
    except zlib.error as error:
        raise BadData(f"{TABLE} that can be read; {error}")
    except csv.Error:  # a very long text, say, which the project may read
        return None
    if not columns:
        raise BadData(f"{TABLE} with a header line; this one is empty")
    if not row:
        raise BadData("a header line and rows below it; this file has no rows")
    return names_of(columns)


def separator_of(head):
    """Return what divides most of the first lines into as many parts."""
    import csv

    lines = head.splitlines()[:20]

    def agreement(separator):
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)] or [0]
        width = max(widths, key=widths.count)
        return width > 1, widths.count(width), width

    return max(SEPARATORS, key=agreement)


def names_of(header):
    """Return names without blanks around them, others for blanks and repetitions."""
    names, counts = {}, {}
    for number, given in enumerate(header):
        name = base = given.strip() or f"Unnamed: {number}"
        while name in names:
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}.{counts[base]}"
        names[name] = True
    return list(names)


def data_problems(answers):
    """Return (question, rule) for what is wrong with the data and its target."""
    source, target = answers["data_source"], answers["target_column"]
    standard = answers["__sample_target"]
    if source.lower() == "sample":
        if target == standard:
            return []
        rule = (
            f"{standard!r} with the sample and this task; other data need data_source"
        )
        return [("target_column", rule)]
    if is_update(answers):
        return []
    if "://" in source:
        return url_problems(source)
    # A relative path counts from the folder in which the project is generated.
    path = os.path.join(os.pardir, os.path.expanduser(source))
    try:
        columns = read_header(path)
    except BadData as error:
        return [("data_source", str(error))]
    if columns is None or (target and target in columns):
        return []
    listed = ", ".join(map(shown, columns[:20])) + (", ..." if columns[20:] else "")
    rule = f"a column of {shown(source)}: {listed}"
    if target == standard:
        rule += f" ({target!r} is the sample's; say which column of yours to predict)"
    return [("target_column", rule)]


def url_problems(source):
    """Return (question, rule) for what is wrong with a URL."""
    if SECRET.search(source):
        rule = (
            "a URL without user, password or token, as files keep it; give the whole "
            "one to the project, in its .env: MLOPS_DATA__SOURCE=https://..."
        )
        return [("data_source", rule)]
    if URL.fullmatch(source):
        return []
    return [("data_source", "a URL begins with http:// or https:// and a host")]


def is_update(answers):
    """Tell whether cruft renders this to compare it with a project that it updates.

    It does so in an empty folder for temporary files, elsewhere and later than the
    project was made: where the data need not be. ``cruft create`` renders in place.
    """
    if "_commit" not in answers:
        return False
    import tempfile

    above, project = os.path.split(os.path.realpath("."))
    temporary = os.path.realpath(tempfile.gettempdir())
    return os.path.dirname(above) == temporary and os.listdir(above) == [project]


def find_problems(answers):
    """Return (question, rule) for each answer that cannot work, in their order."""
    rules = {
        question: text_problem(question, answers[question]) for question in EXAMPLES
    }
    slug, email = answers["project_slug"], answers["author_email"]
    rules["project_slug"] = slug_problem(slug, answers["_taken_slugs"].split())
    rules["author_email"] = rules["author_email"] or email_problem(email)
    is_missing = answers["target_column"] == ""
    if is_missing:
        rules["target_column"] = "the name of a column of your data, to be predicted"
    if not rules["data_source"] and (is_missing or not rules["target_column"]):
        rules.update(data_problems(answers))  # names the columns that there are
    # Where a preset gave the answer, cookiecutter.json has made it "none".
    if answers["monitoring"] != "none" and answers["serving"] == "none":
        rules["monitoring"] = (
            "'none' with serving=none: it watches the predictions of a service"
        )
    return [(question, rule) for question, rule in rules.items() if rule]


def shown(answer):
    """Return an answer with what cannot be printed escaped, and not too long."""
    answer = str(answer)
    printable = "".join(
        (
            character
            if unicodedata.category(character) not in UNPRINTABLE
            else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        )
        for character in answer
    )
    if SECRET.search(printable):  # a log may keep what is said here
        printable = re.sub(r"(//)[^/?#]*(@)|(?<=[?&#;]).*", r"\1...\2", printable)
    return printable if len(printable) <= 100 else printable[:97] + "..."


def report(problems, answers):
    """Return what to tell whoever gave the answers."""
    answers = dict(answers, project_slug=answers["__project_slug"])
    examples = dict(EXAMPLES, **EXAMPLES_OF_CHOICES)
    lines = ["", "No project was generated. These answers cannot work:"]
    for question, rule in problems:
        lines += [
            "",
            f"  {question}: '{shown(answers[question])}'",
            f"    expected: {rule}",
            f"    example:  {examples[question]}",
        ]
    return "\n".join(
        lines + ["", "Below, Cookiecutter tells in its way that it stopped."]
    )


def is_too_old(answers):
    """Tell whether Cookiecutter left a private variable as it is in its file.

    Versions 1.7 do, and would then make a project of such variables.
    """
    return "{" in answers["__license"]


def walk(existing=None):
    """Yield the files and folders below the current folder, but not our own.

    Args:
        existing: If given, only folders that it names are entered.
    """
    ours = (RECORD, RECORD + ".new", ASIDE, ".git")
    for folder, folders, files in os.walk("."):
        paths = {
            name: os.path.join(folder, name)[2:].replace(os.sep, "/")
            for name in folders + files
        }
        yield from (path for path in paths.values() if path not in ours)
        folders[:] = [
            name
            for name in folders
            if paths[name] not in ours and (existing is None or paths[name] in existing)
        ]


def set_aside(existing):
    """Move what an interrupted run left, and what came since, out of the way.

    Half a file would be taken for the owner's, and kept, by --skip-if-file-exists.
    After rendering, post_gen_project.py tells apart which is whose.
    """
    aside = os.path.join(ASIDE, str(time.time_ns()))
    for path in [path for path in walk(existing) if path not in existing]:
        os.makedirs(os.path.dirname(os.path.join(aside, path)), exist_ok=True)
        os.rename(path, os.path.join(aside, path))


def record_existing():
    """Write down what the folder held before rendering, for post_gen_project.py.

    It removes the record as its last step. A record that is still there is of a run
    that was interrupted, and tells what was there before that one.
    """
    try:
        with open(RECORD, encoding="utf-8") as file:
            existing = {path for path in json.load(file) if os.path.lexists(path)}
    except (FileNotFoundError, ValueError):  # none, or not from a run that rendered
        existing = set(walk())
    else:
        print("An earlier run was interrupted here; this one completes it.")
        set_aside(existing)
    with open(RECORD + ".new", "w", encoding="utf-8") as file:
        json.dump(sorted(existing), file)
    os.replace(RECORD + ".new", RECORD)


def main():
    """Check the answers; the current folder is the project's, still empty."""
    # JSON never holds three quotes in a row, so that it fits between these.
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    if is_too_old(answers):
        print(TOO_OLD, file=sys.stderr)
        return 1
    problems = find_problems(answers)
    if problems:
        print(report(problems, answers), file=sys.stderr)
        return 1
    try:
        record_existing()
    except OSError as error:
        if os.path.lexists(RECORD + ".new"):
            os.remove(RECORD + ".new")
        print(f"\nNo project was generated: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

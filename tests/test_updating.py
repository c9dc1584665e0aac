"""A generated project follows the template: `make template-update`, and cruft."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.generating import (
    ADOPT,
    FOLDER,
    NASTY,
    TEMPLATE,
    TESTER,
    clean_template,
    commit,
    files,
    git,
    load_hook,
    typed,
)

POST = load_hook("post_gen_project")
# The last revision whose projects were large, and the oldest that is tagged.
LARGE = "ea325aed4e851bd7e85216ac095738a4c6ffeb32"
TAGS = git(TEMPLATE, "tag", "--list", "v*", "--sort=version:refname").split()
ANSWERS = {
    "project_name": NASTY,
    "project_slug": "followed",
    "data_source": "gone.csv",
    "target_column": "y",
    "serving": "none",
    "license": "Apache-2.0",
}
SAMPLE = ANSWERS | {"data_source": "sample", "target_column": "income"}


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> Path:
    """A folder for temporary files, whose left-overs a test sees, and a committer."""
    folder = tmp_path_factory.mktemp("it's temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@example.com")
    return folder


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, whose last commit is what lies in the folder now."""
    clone = tmp_path_factory.mktemp("history") / "the template"
    git(TEMPLATE, "clone", "--quiet", str(TEMPLATE), str(clone))
    git(clone, "remote", "remove", "origin")
    for folder in ("hooks", "tools", FOLDER.name):
        shutil.rmtree(clone / folder, ignore_errors=True)
    shutil.copytree(clean_template(), clone, dirs_exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TEMPLATE / "tools", clone / "tools", ignore=ignore)
    for name in ("CHANGELOG.md", "constraints.txt"):
        shutil.copy(TEMPLATE / name, clone)
    commit(clone, "What lies in the folder")
    return clone


@pytest.fixture
def template(history: Path, tmp_path: Path) -> Path:
    """A template whose revisions a test can make."""
    copy = tmp_path / "template"
    git(history, "clone", "--quiet", str(history), str(copy))
    git(copy, "remote", "remove", "origin")
    return copy


def run(
    folder: Path, *command: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def says(folder: Path, *command: str, **variables: str) -> str:
    """Run a command that must succeed, and return what it says."""
    done = run(folder, *command, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(project: Path, target: str, *arguments: str) -> str:
    """Run a command of a project, which must succeed, and return what it says."""
    return says(project, "make", "--no-print-directory", target, *arguments)


def generate(
    template: Path | str, output: Path, *options: str, **answers: str
) -> tuple[Path, str]:
    """Generate with plain Cookiecutter, and return the project and what was said."""
    output.mkdir(parents=True, exist_ok=True)
    answers = ANSWERS | answers
    quoted = {name: typed(text) for name, text in answers.items() if "{" in text}
    given = [f"{name}={text}" for name, text in (answers | quoted).items()]
    if answers["data_source"] == "gone.csv":
        (output / "gone.csv").write_text("a,y\n1,2\n")
    command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input"]
    said = says(output, *command, *options, *given)
    (output / "gone.csv").unlink(missing_ok=True)
    return output / answers["project_slug"], said


def renew(template: Path) -> str:
    """Make a newer revision of the template, and return its commit."""
    folder = template / FOLDER.name
    makefile = folder / "Makefile"
    makefile.write_text("# Newer\n" + makefile.read_text("utf-8"), "utf-8")
    (folder / "src" / "serving" / "static" / "new.txt").write_text("New.\n")
    (folder / "docs" / "new.md").write_text("{{ cookiecutter.license }}\n")
    changes = template / "CHANGELOG.md"
    news = "## 9.0.0\n\n### What an update does to a project\n\n- Adds a page.\n\n## "
    changes.write_text(changes.read_text("utf-8").replace("## ", news, 1), "utf-8")
    return commit(template, "Newer")


def contents(project: Path) -> dict[str, bytes]:
    """Return path -> content of all files, but for git's own."""
    paths = [path for path in files(project) if not path.startswith(".git/")]
    return {path: (project / path).read_bytes() for path in paths}


def left(temporary: Path) -> list[Path]:
    """Return what is in a folder for temporary files, but for Cookiecutter's own."""
    return [path for path in temporary.iterdir() if path.suffix != ".py"]


def record(project: Path) -> dict:
    """Return what a project knows of the template."""
    return json.loads((project / POST.ORIGIN).read_text("utf-8"))


@pytest.fixture(scope="module")
def made(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of this template, committed; to be copied before it is changed."""
    project, _ = generate(history, tmp_path_factory.mktemp("made"))
    commit(project, "Made")
    return project


# What a project knows.


def test_a_project_knows_template_commit_and_answers_and_nothing_private(
    template: Path, tmp_path: Path
) -> None:
    expected = {
        "template": str(template),
        "commit": git(template, "rev-parse", "HEAD").strip(),
        "checkout": None,
        "directory": None,
    }
    for number, named in enumerate((template, "../../template")):
        project, _ = generate(named, tmp_path / "made" / str(number))
        known = record(project)
        answers = known.pop("context")["cookiecutter"]
        assert known == expected
        assert ANSWERS.items() <= answers.items() and answers["task"] != ""
        assert not [name for name in answers if name.startswith("_")]


def test_a_template_is_found_where_a_system_does_not_say_where_a_process_works(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 0)  # there is no such folder in /proc
    monkeypatch.setenv("PWD", str(history / "docs"))
    assert POST.template_folder({"_repo_dir": ".."}) == str(history)
    assert POST.template_folder({"_repo_dir": str(history)}) == str(history)
    assert POST.template_folder({"_repo_dir": "elsewhere"}) is None
    monkeypatch.delenv("PWD")
    assert POST.template_folder({"_repo_dir": ".."}) is None


def test_of_a_template_by_url_the_url_is_known(template: Path, tmp_path: Path) -> None:
    project, _ = generate("git+" + template.as_uri(), tmp_path / "made")
    assert record(project)["template"] == template.as_uri()
    assert record(project)["commit"] == git(template, "rev-parse", "HEAD").strip()


def test_of_a_template_in_a_clone_the_url_is_known_if_others_find_the_commit_there(
    template: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", template.as_uri(), str(clone))
    assert (
        record(generate(clone, tmp_path / "made")[0])["template"] == template.as_uri()
    )
    renew(clone)
    assert record(generate(clone, tmp_path / "mine")[0])["template"] == str(clone)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://me:pass@example.com/a/b.git", "https://example.com/a/b.git"),
        ("https://me:p@ss@example.com/a/b.git", "https://example.com/a/b.git"),
        ("HTTPS://token@example.com/b?key=s#x", "HTTPS://example.com/b"),
        ("git+https://me@example.com/b", "git+https://example.com/b"),
        ("ssh://git:p@ss@example.com/b.git", "ssh://git@example.com/b.git"),
        ("ssh://git@example.com:22/b@c.git", "ssh://git@example.com:22/b@c.git"),
        ("git@example.com:a/b.git", "git@example.com:a/b.git"),
        ("https://example.com/a@b/c", "https://example.com/a@b/c"),
        ("/home/me@work/a b/c#d", "/home/me@work/a b/c#d"),
    ],
)
def test_no_secret_of_a_url_is_kept(url: str, kept: str) -> None:
    assert POST.without_secrets(url) == kept


def test_nothing_is_claimed_that_no_commit_holds(
    template: Path, tmp_path: Path
) -> None:
    bare = Path(shutil.copytree(template, tmp_path / "bare"))
    shutil.rmtree(bare / ".git")
    within = Path(shutil.copytree(bare, tmp_path / "larger" / "within"))
    commit(within.parent, "Another repository")
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path, "bare")
    (template / "docs" / "index.md").write_text("Not rendered.\n")
    assert record(generate(template, tmp_path / "made")[0])["commit"]
    (template / FOLDER.name / "new.md").write_text("New.\n")
    for number, named in enumerate((bare, within, tmp_path / "zipped.zip", template)):
        project, said = generate(named, tmp_path / str(number))
        assert POST.UNTOLD in said.splitlines(), named
        assert not (project / POST.ORIGIN).exists()


def test_what_the_owner_says_of_the_template_stays_unless_all_is_overwritten(
    template: Path, tmp_path: Path
) -> None:
    project, _ = generate(template, tmp_path / "made")
    made = (project / POST.ORIGIN).read_text()
    commit(project, "Made")
    newer = renew(template)
    (project / "README.md").write_text("Mine.\n")
    generate(template, tmp_path / "made", *ADOPT)
    assert (project / POST.ORIGIN).read_text() == made
    generate(template, tmp_path / "made", "--overwrite-if-exists")
    assert record(project)["commit"] == newer
    generate(template, tmp_path / "made", *ADOPT, license="MIT")
    assert record(project)["context"]["cookiecutter"]["license"] == "Apache-2.0"


# An update.


def oldest(template: Path, revision: str, output: Path) -> Path:
    """Generate as the template was once."""
    found = run(template, "git", "rev-parse", "--verify", f"{revision}^{{commit}}")
    if found.returncode:
        pytest.skip("The history is needed here: git fetch --unshallow --tags")
    git(template, "worktree", "add", "--quiet", str(output / "then"), revision)
    project, _ = generate(output / "then", output, **SAMPLE)
    git(template, "worktree", "remove", str(output / "then"))
    return project


@pytest.mark.parametrize("revision", [LARGE, *TAGS[:1]])
def test_a_project_of_the_oldest_version_is_brought_to_this_one(
    revision: str, template: Path, tmp_path: Path
) -> None:
    project = oldest(template, revision, tmp_path / "made")
    # As docs/updating.md has it, for a project without a record or the command.
    commit_then = git(template, "rev-parse", f"{revision}^{{commit}}").strip()
    known = {"commit": commit_then, "context": {"cookiecutter": SAMPLE}}
    (project / POST.ORIGIN).write_text(json.dumps(known))
    edited = ["Makefile", ".gitignore", "src/features/transformation.py"]
    for path in edited:
        text = (project / path).read_text("utf-8")
        (project / path).write_text(f"# Mine: {path}\n{text}", "utf-8")
    (project / "src/mine.py").write_text("MINE = 1\n")
    deleted = ["docs/architecture/README.md", "src/utils/visualization.py"]
    for path in deleted:
        (project / path).unlink()
    commit(project, "Mine")
    script = str(template / "tools" / "update.py")
    said = says(project, sys.executable, script, "template-update")

    fresh, _ = generate(template, tmp_path / "fresh", **SAMPLE)
    expected = contents(fresh)
    for path in edited:
        expected[path] = f"# Mine: {path}\n".encode() + expected[path]
    expected["src/mine.py"] = b"MINE = 1\n"
    for path in deleted:
        del expected[path]
    found = contents(project)
    assert set(found) == set(expected)
    assert [path for path in found if found[path] != expected[path]] == []
    assert git(project, "diff", "--name-only") == "", "all of it is staged"
    if revision == LARGE:  # later ones may have the same of these
        stay = said.partition("they stay deleted:\n")[2].splitlines()
        assert stay[: len(deleted)] == [f"  {path}" for path in deleted]
        assert "third of its size" in said, "what CHANGELOG.md tells of it"


def test_make_shows_and_brings_what_is_new(
    template: Path, tmp_path: Path, temporary: Path
) -> None:
    project, _ = generate(template, tmp_path / "made")
    readme = project / "README.md"
    readme.write_text(readme.read_text("utf-8") + "\nMine.\n", "utf-8")
    head = commit(project, "Mine")
    before = contents(project)
    assert make(project, "template-update") == make(project, "template-diff")
    newer = renew(template)

    shown = make(project, "template-diff")
    assert "+# Newer" in shown and "+Apache-2.0" in shown and "new.txt" not in shown
    assert "9.0.0:\n- Adds a page.\n" in shown
    assert contents(project) == before
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "rev-parse", "HEAD").strip() == head

    said = make(project, "template-update")
    assert "docs/new.md" in said and "- Adds a page.\n" in said
    assert "is there." not in said, "nobody works where an update renders"
    assert {line for line in git(project, "status", "--porcelain").splitlines()} == {
        "M  .cruft.json",
        "M  Makefile",
        "A  docs/new.md",
    }
    fresh, _ = generate(template, tmp_path / "fresh")
    assert contents(project) == contents(fresh) | {"README.md": before["README.md"]}
    assert record(project)["commit"] == newer
    commit(project, "Updated")
    assert "Nothing in this project is different" in make(project, "template-diff")
    assert left(temporary) == []


def test_conflicts_fail_and_name_the_files_and_can_be_undone(
    template: Path, tmp_path: Path, temporary: Path
) -> None:
    project, _ = generate(template, tmp_path / "made")
    makefile = project / "Makefile"
    makefile.write_text("# Mine\n" + makefile.read_text("utf-8"), "utf-8")
    (project / "docs/new.md").write_text("Mine.\n")
    (project / "src/utils/files.py").write_text("MINE = 1\n")
    (project / "AGENTS.md").unlink()
    commit(project, "Mine")
    before = contents(project)
    (template / FOLDER.name / "src/utils/files.py").unlink()
    agents = template / FOLDER.name / "AGENTS.md"
    agents.write_text(agents.read_text("utf-8") + "Newer.\n", "utf-8")
    renew(template)

    done = run(project, "make", "template-update")
    assert done.returncode != 0
    listed = done.stdout.partition("Conflicts, which only you can resolve:\n")[2]
    assert listed.splitlines()[:3] == [
        "  Makefile: both changed it",
        "  docs/new.md: both changed it",
        "  src/utils/files.py: you edited it, the template removed it; git rm it?",
    ]
    assert "they stay deleted:\n  AGENTS.md\n" in done.stdout
    assert not (project / "AGENTS.md").exists()
    assert makefile.read_text("utf-8").startswith("<<<<<<< HEAD\n# Mine\n")
    assert (project / "src/utils/files.py").read_text() == "MINE = 1\n"
    assert "Traceback" not in done.stdout + done.stderr
    assert left(temporary) == []
    git(project, "reset", "--merge")
    assert contents(project) == before
    assert git(project, "status", "--porcelain") == ""


def test_a_choice_is_switched_off_and_on_again(template: Path, tmp_path: Path) -> None:
    on = SAMPLE | {"serving": "fastapi", "experiment_tracking": "mlflow"}
    off = on | {"serving": "none", "ci": "none", "description": "A 'b' {{ c }}"}
    project, _ = generate(template, tmp_path / "made", **on)
    mine = {"src/serving/mine.py": b"MINE = 1\n", "mine.txt": b"Mine.\n"}
    for path, text in mine.items():
        (project / path).write_bytes(text)
    readme = (project / "README.md").read_bytes() + b"\nMine.\n"
    (project / "README.md").write_bytes(readme)
    commit(project, "Mine")
    before = contents(project)
    description = record(project)["context"]["cookiecutter"]["description"]

    make(
        project,
        "template-update",
        "ANSWERS=serving=none ci=none description=\"A 'b' {{ c }}\"",
    )
    fresh, _ = generate(template, tmp_path / "fresh", **off)
    mine["README.md"] = (fresh / "README.md").read_bytes() + b"\nMine.\n"
    assert contents(project) == contents(fresh) | mine
    commit(project, "Off")
    answers = f"serving=fastapi ci=github description='{description}'"
    make(project, "template-update", f"ANSWERS={answers}")
    assert contents(project) == before


def test_a_revision_can_be_named(template: Path, tmp_path: Path) -> None:
    project, _ = generate(template, tmp_path / "made")
    commit(project, "Made")
    git(template, "switch", "--quiet", "--create", "next")
    newer = renew(template)
    git(template, "switch", "--quiet", "-")
    make(project, "template-update", "TEMPLATE_REV=next")
    assert record(project)["commit"] == newer


def test_a_project_that_knows_but_the_tree_of_its_template_is_updated(
    template: Path, tmp_path: Path
) -> None:
    project, _ = generate(template, tmp_path / "made")
    tree = git(template, "rev-parse", "HEAD^{tree}").strip()
    known = record(project) | {"commit": tree, "template": None}
    (project / POST.ORIGIN).write_text(json.dumps(known))
    commit(project, "Made")
    newer = renew(template)
    (line,) = lines_of(run(project, "make", "template-update"))
    assert line == "Where is the template? make template-update TEMPLATE=URL"
    make(project, "template-update", "TEMPLATE=../../template")
    fresh, _ = generate(template, tmp_path / "fresh")
    assert contents(project) == contents(fresh)
    assert record(project)["commit"] == newer


def test_a_project_in_a_folder_of_a_larger_repository_is_updated(
    template: Path, tmp_path: Path
) -> None:
    project, _ = generate(template, tmp_path / "larger" / "a b")
    shutil.copy(project / "Makefile", tmp_path / "larger")
    commit(tmp_path / "larger", "Made")
    renew(template)
    assert "+++ b/docs/new.md" in make(project, "template-diff")
    make(project, "template-update")
    status = git(tmp_path / "larger", "status", "--porcelain", "-z").split("\0")
    assert {line[3:] for line in status if line} == {
        f"a b/followed/{path}" for path in (".cruft.json", "Makefile", "docs/new.md")
    }


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what a command said that was refused, without what make adds."""
    assert done.returncode != 0
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if not line.startswith("make")]


UNKNOWN = "0123456789012345678901234567890123456789"


@pytest.mark.parametrize(
    ("known", "arguments", "said"),
    [
        ({"commit": None}, (), "`cruft link` makes one"),
        ({"context": {}}, (), "`cruft link` makes one"),
        ({"commit": UNKNOWN}, (), f"{UNKNOWN} is no revision of the template at /"),
        ({}, ("TEMPLATE_REV=v99",), "v99 is no revision of the template at /"),
        ({}, ("ANSWERS=serving",), "ANSWERS are question=answer"),
        ({}, ("ANSWERS=serving='",), "ANSWERS are question=answer"),
        ({}, ("ANSWERS=server=x",), "There is no question server"),
        ({}, ("ANSWERS=_commit=x",), "There is no question _commit"),
        ({}, ("ANSWERS=ci=x",), 'Choose one: ANSWERS="ci=github"'),
    ],
)
def test_what_cannot_be_updated_is_refused_in_a_line(
    known: dict,
    arguments: tuple[str, ...],
    said: str,
    made: Path,
    tmp_path: Path,
    temporary: Path,
) -> None:
    project = Path(shutil.copytree(made, tmp_path / "made"))
    if known:
        (project / POST.ORIGIN).write_text(json.dumps(record(project) | known))
        commit(project, "Know otherwise")
    before = contents(project)
    (line,) = lines_of(run(project, "make", "template-update", *arguments))
    assert said in line
    assert contents(project) == before
    assert git(project, "status", "--porcelain") == ""
    assert left(temporary) == []


def test_an_answer_that_a_hook_refuses_is_told_in_its_words(
    made: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(made, tmp_path / "made"))
    done = run(project, "make", "template-update", "ANSWERS=author_email=x")
    lines = lines_of(done)
    assert "  author_email: 'x'" in lines and "nothing was changed" in lines[-1]
    assert "Traceback" not in done.stderr
    assert git(project, "status", "--porcelain") == ""


def test_a_project_without_git_record_or_commits_or_with_changes_is_refused(
    template: Path, tmp_path: Path
) -> None:
    project, _ = generate(template, tmp_path / "made")
    renew(template)
    (line,) = lines_of(run(project, "make", "template-update"))
    assert line.endswith("is no git repository: git init, and commit everything")
    git(project, "init", "--quiet")
    (line,) = lines_of(run(project, "make", "template-update"))
    assert "and be committed" in line
    commit(project, "Made")
    (project / "docs/new.md").write_text("Mine, and not committed.\n")
    lines = lines_of(run(project, "make", "template-update"))
    assert lines[0].startswith("Nothing was changed. git says:")
    assert "docs/new.md" in lines[1]
    git(project, "add", "docs/new.md")
    (line,) = lines_of(run(project, "make", "template-update"))
    assert line.startswith("There are changes that are not committed")
    assert (project / "docs/new.md").read_text() == "Mine, and not committed.\n"
    git(project, "rm", "--quiet", "--cached", POST.ORIGIN, "docs/new.md")
    git(project, *TESTER, "commit", "--quiet", "--message", "Forget")
    arguments = ["make", "template-update", f"TEMPLATE={template}"]
    (line,) = lines_of(run(project, *arguments))
    assert "and be committed" in line


@pytest.mark.slow
@pytest.mark.parametrize("with_uv", [True, False], ids=["uv", "pip"])
def test_cookiecutter_is_fetched_where_it_is_not(
    with_uv: bool, template: Path, tmp_path: Path, temporary: Path
) -> None:
    project, _ = generate(template, tmp_path / "made")
    commit(project, "Made")
    newer = renew(template)
    base = Path(sys.executable).resolve()
    says(tmp_path, str(base), "-m", "venv", "--without-pip", str(project / ".venv"))
    path = os.environ["PATH"] if with_uv else "/usr/bin:/bin"
    says(project, "make", "template-update", PATH=path)
    assert record(project)["commit"] == newer
    assert left(temporary) == []


# cruft reads the same record, and writes one that `make template-update` reads.


def cruft(folder: Path, *arguments: str) -> str:
    """Run cruft's own command."""
    return says(folder, sys.executable, "-m", "cruft", *arguments)


def created(template: Path, output: Path) -> Path:
    """Create a project with cruft."""
    output.mkdir()
    answers = json.dumps(ANSWERS | {"project_name": typed(NASTY)})
    (output / "gone.csv").write_text("a,y\n1,2\n")
    said = cruft(
        output, "create", str(template), "--no-input", "--extra-context", answers
    )
    assert f"{output / 'followed'} is there." in said and POST.UNTOLD not in said
    (output / "gone.csv").unlink()
    return output / "followed"


@pytest.mark.parametrize("maker", ["cruft", "cookiecutter"])
def test_cruft_updates_a_project_whoever_made_it(
    maker: str, template: Path, tmp_path: Path
) -> None:
    plain = {"project_name": "Followed"}  # cruft reads braces as Jinja
    if maker == "cruft":
        project = created(template, tmp_path / "made")
        known = record(project)
        known["context"]["cookiecutter"] |= plain
        (project / POST.ORIGIN).write_text(json.dumps(known))
    else:
        project, _ = generate(template, tmp_path / "made", **plain)
    readme = project / "README.md"
    readme.write_text(readme.read_text("utf-8") + "\nMine.\n", "utf-8")
    commit(project, "Mine")
    cruft(project, "check")
    newer = renew(template)
    updated = cruft(project, "update", "--skip-apply-ask")
    assert "is there." not in updated, "nobody works where cruft compares"
    assert record(project)["commit"] == newer
    assert record(project)["context"]["cookiecutter"]["data_source"] == "gone.csv"
    assert (project / "Makefile").read_text("utf-8").startswith("# Newer\n")
    assert (project / "docs" / "new.md").read_text() == "Apache-2.0\n"
    assert not (project / "src" / "serving").exists()
    assert readme.read_text("utf-8").endswith("\nMine.\n")
    changed = git(project, "status", "--porcelain", "--untracked-files=all")
    assert {line[3:] for line in changed.splitlines()} == {
        ".cruft.json",
        "Makefile",
        "docs/new.md",
    }
    cruft(project, "check")


def test_a_project_made_by_cruft_is_updated_by_make(
    template: Path, tmp_path: Path
) -> None:
    project = created(template, tmp_path / "made")
    commit(project, "Made")
    renew(template)
    make(project, "template-update")
    fresh, _ = generate(template, tmp_path / "fresh")
    assert contents(project) == contents(fresh)


@pytest.mark.parametrize(
    ("source", "target", "refused"),
    [
        ("gone.csv", "y", "gone.csv does not"),
        ("own.csv", "z", "a column of own.csv: a, y"),
        ("own.csv", "y", None),
        ("{folder}/own.csv", "z", "own.csv: a, y"),
        ("{folder}/own.csv", "y", None),
    ],
)
def test_data_are_checked_where_cruft_creates_a_project(
    template: Path, tmp_path: Path, source: str, target: str, refused: str | None
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/own.csv").write_text("a,y\n1,2\n")
    data = {
        "project_name": "Followed",
        "data_source": source.format(folder=tmp_path / "mine"),
        "target_column": target,
    }
    given = ["--no-input", "--extra-context", json.dumps(ANSWERS | data)]
    command = [sys.executable, "-m", "cruft", "create", str(template), *given]
    done = run(tmp_path / "mine", *command)
    assert (done.returncode != 0) is (refused is not None), done.stderr
    assert (refused or "") in done.stderr
    assert (tmp_path / "mine/followed").exists() is (refused is None)

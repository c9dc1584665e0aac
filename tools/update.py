"""`make template-update` and `make template-diff` of a generated project.

Run in the project's folder, from a clone of the template. The project is rendered
twice: as the template was that made it, with the answers of then, and as it is now.
What differs is merged by git, as a commit that somebody else made: it is staged, and
conflicts are git's own. The answers are data here: braces in them are no Jinja.

``TEMPLATE_REV`` names a branch, a tag or a commit to go to, and ``ANSWERS`` what is
answered otherwise from now on: ``ANSWERS="serving=none ci=none"``.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORD = ".cruft.json"
NONE = (
    f"{RECORD} must say the template, its commit and the answers that this project was "
    "made with, and be committed: `cruft link` makes one, or docs/updating.md of the "
    "template says what to write."
)
# Renames that are no more alike would move edits into files that are others'.
MERGE = [
    *("-c", "merge.directoryRenames=false", "cherry-pick", "--no-commit"),
    *("--strategy-option", "find-renames=70%"),
]
NOBODY = {
    f"GIT_{who}_{what}": "template"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}


def git(
    folder: Path,
    *arguments: str,
    check: bool = True,
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run git in a folder; if it fails and that is not expected, say so and end."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **NOBODY, **(variables or {})},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    if check and done.returncode:
        sys.exit(f"git {arguments[0]} in {folder}: {done.stderr.strip()}")
    return done


def with_cookiecutter() -> None:
    """Go on in an environment that has Cookiecutter, if this one has not."""
    if importlib.util.find_spec("cookiecutter"):
        return
    with tempfile.TemporaryDirectory() as folder:
        python = os.path.join(folder, "bin", "python")
        package = ["cookiecutter", "--constraint", str(ROOT / "constraints.txt")]
        commands = [
            [sys.executable, "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", *package],
        ]
        if shutil.which("uv"):
            commands = [
                ["uv", "venv", "--quiet", "--python", sys.executable, folder],
                ["uv", "pip", "install", "--quiet", "--python", python, *package],
            ]
        if any(subprocess.run(command).returncode for command in commands):
            sys.exit("Cookiecutter could not be installed; nothing was changed")
        sys.exit(subprocess.run([python, *sys.argv]).returncode)


def read_record(project: Path) -> dict[str, Any]:
    """Return what the project knows of the template; it must be committed."""
    inside = git(project, "rev-parse", "--is-inside-work-tree", check=False)
    if inside.stdout.strip() != "true":
        sys.exit(f"{project} is no git repository: git init, and commit everything")
    try:
        shown = git(project, "show", f"HEAD:./{RECORD}", check=False)
        record: dict[str, Any] = json.loads(shown.stdout)
        if record["commit"] and isinstance(record["context"]["cookiecutter"], dict):
            return record
    except (ValueError, KeyError, TypeError):
        pass
    sys.exit(NONE)


def given_answers() -> dict[str, str]:
    """Return question -> answer of what is answered otherwise from now on."""
    usage = 'ANSWERS are question=answer, as in ANSWERS="serving=none ci=none"'
    try:
        given = shlex.split(os.environ.get("ANSWERS", ""))
    except ValueError:  # a quote that is not closed
        sys.exit(usage)
    pairs = [answer.partition("=") for answer in given]
    if not all(sign for _, sign, _ in pairs):
        sys.exit(usage)
    return {question: answer for question, _, answer in pairs}


def render(
    revision: str, answers: dict[str, Any], folder: Path
) -> tuple[Path, dict[str, Any]]:
    """Render a revision of the template.

    Args:
        revision: A commit or a tree.
        answers: Question -> answer; the default is taken where there is none.
        folder: Where to keep what is needed; it is made.

    Returns:
        The folder of the project, and the answers to all questions.
    """
    from cookiecutter.exceptions import CookiecutterException
    from cookiecutter.generate import generate_context, generate_files
    from cookiecutter.prompt import prompt_for_config

    template = folder / "template"
    template.mkdir(parents=True)
    index = {"GIT_INDEX_FILE": str(folder / "index")}
    git(ROOT, "read-tree", revision, variables=index)
    git(ROOT, "checkout-index", "--all", f"--prefix={template}/", variables=index)
    context = generate_context(str(template / "cookiecutter.json"))
    questions = context["cookiecutter"]
    for question, answer in answers.items():
        asked = questions.get(question)
        if question.startswith("_") or asked is None:
            continue
        if isinstance(asked, list):
            if answer not in asked:
                choices = [choice for choice in asked if "{" not in choice]
                sys.exit(
                    f"{question}: {answer!r} is none of {', '.join(choices)}. "
                    f'Choose one: ANSWERS="{question}={choices[0]}"'
                )
            questions[question] = [answer]
        elif isinstance(answer, str):  # a literal of Jinja is written as one of JSON
            literal = json.dumps(answer, ensure_ascii=False)
            questions[question] = "{{ " + literal + " }}"
        else:
            questions[question] = answer
    variables = prompt_for_config(context, no_input=True)
    public = {k: v for k, v in variables.items() if not k.startswith("_")}
    # Hooks know an update by these two: the commit, and a temporary folder of its own.
    variables.update(_template=str(ROOT), _commit=revision)
    output = tempfile.mkdtemp()
    try:
        made = generate_files(
            repo_dir=str(template),
            context={"cookiecutter": variables},
            output_dir=output,
        )
        shutil.move(made, folder / "project")
    except CookiecutterException:
        sys.exit(f"The template at {revision} cannot be rendered; nothing was changed")
    finally:
        shutil.rmtree(output)
    return folder / "project", public


def commit(project: Path, rendered: Path, message: str, *parent: str) -> str:
    """Keep a rendered project as a commit of the project's repository, on no branch."""
    where = git(project, "rev-parse", "--absolute-git-dir", "--show-prefix").stdout
    directory, prefix = where.splitlines()
    variables = {"GIT_DIR": directory, "GIT_INDEX_FILE": str(rendered) + ".index"}
    variables["GIT_WORK_TREE"] = str(rendered)
    git(rendered, "add", "--all", ".", variables=variables)
    tree = git(rendered, "write-tree", variables=variables).stdout.strip()
    if prefix:  # the project is a folder of a larger repository
        git(rendered, "read-tree", "--empty", variables=variables)
        git(rendered, "read-tree", f"--prefix={prefix}", tree, variables=variables)
        tree = git(rendered, "write-tree", variables=variables).stdout.strip()
    parents = [word for one in parent for word in ("-p", one)]
    made = git(project, "commit-tree", tree, *parents, "-m", message)
    return made.stdout.strip()


def news(old: str, new: str) -> str:
    """Return what CHANGELOG.md tells those who update, new since a revision."""
    before, now = (
        git(ROOT, "show", f"{revision}:CHANGELOG.md", check=False).stdout
        for revision in (old, new)
    )
    told = []
    for section in re.split("(?m)^## ", now)[1:]:
        parts = re.split("(?m)^### ", section)
        for part in parts[1:]:
            if part.startswith("What an update does"):
                entries = re.split(r"\n(?=- |\n)", part.partition("\n")[2].strip())
                fresh = [e for e in entries if e.strip() and e.strip() not in before]
                if fresh:
                    told += [f"{section.splitlines()[0]}:", *fresh]
    return "\n".join(["What it means, by CHANGELOG.md:", *told, ""] if told else [])


def conflicts(project: Path) -> tuple[list[str], list[str]]:
    """Let files stay deleted that were; return them, and what is left to resolve."""
    stages: dict[str, set[str]] = {}
    for entry in git(project, "ls-files", "--unmerged", "-z").stdout.split("\0")[:-1]:
        about, _, path = entry.partition("\t")
        stages.setdefault(path, set()).add(about.split()[2])
    deleted = [path for path, found in stages.items() if "2" not in found]
    if deleted:
        git(project, "rm", "--quiet", "--force", "--", *deleted)
    left = []
    for path, found in stages.items():
        if "3" not in found and "2" in found:
            left.append(f"{path}: you edited it, the template removed it; git rm it?")
        elif path not in deleted:
            left.append(f"{path}: both changed it")
    return deleted, left


def merge(project: Path, tip: str, record: dict[str, Any], told: str) -> None:
    """Apply what a commit changes to the project, and say what happened."""
    merged = git(project, *MERGE, tip, check=False)
    deleted, left = conflicts(project)
    if merged.returncode and not deleted and not left:
        sys.exit(f"Nothing was changed. git says: {merged.stderr.strip()}")
    (project / RECORD).write_text(
        json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    git(project, "add", "--force", RECORD)
    sys.stdout.write(told)
    print(git(project, "diff", "--cached", "--stat", "HEAD", "--", ".").stdout)
    if deleted:
        print("The template changed these, which you deleted; they stay deleted:")
        print("\n".join(f"  {path}" for path in deleted))
    if left:
        print("\n  ".join(["Conflicts, which only you can resolve:", *left]))
        print(
            "Edit them (git marks both sides with <<<<<<< and >>>>>>>), git add each,"
        )
        print("then make setup test, and commit. To go back: git reset --merge")
        sys.exit(1)
    print("Merged, and not yet committed. Next: make setup test, and commit")
    print("To go back: git reset --merge")


def located(commit: str) -> tuple[str, str, str]:
    """Find two revisions of the template: the recorded one, and the one to go to.

    Returns:
        Where the template is, the tree of the recorded commit (which may be a tree
        itself), and the commit to go to.
    """
    sys.dont_write_bytecode = True
    sys.path.append(str(ROOT / "hooks"))
    from post_gen_project import without_secrets

    url = git(ROOT, "config", "remote.origin.url", check=False).stdout.strip()
    template = os.path.realpath(url or ROOT)
    if url and not os.path.isdir(template):
        template = without_secrets(url)
    wanted = os.environ.get("TEMPLATE_REV") or "HEAD"
    names = [commit + "^{tree}", f"origin/{wanted}^{{commit}}", wanted + "^{commit}"]
    old, *new = (
        git(ROOT, "rev-parse", "--verify", "--quiet", name, check=False).stdout.strip()
        for name in names
    )
    for revision, is_there in ((commit, old), (wanted, any(new))):
        if not is_there:
            sys.exit(
                f"{revision} is no revision of the template at {template}. If another "
                "made this project: make template-update TEMPLATE=URL"
            )
    return template, old, new[0] or new[1]


def main() -> None:
    """Update the project in the current folder, or show what an update would do."""
    logging.disable()  # Cookiecutter would print a traceback of what a hook refused
    # A terminal may lack a letter. In typeshed, not every stream has this method.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.argv[1:] not in (["template-update"], ["template-diff"]):
        sys.exit(
            f"In a project: python {sys.argv[0]} template-update, or template-diff"
        )
    is_update = sys.argv[1] == "template-update"
    project = Path.cwd()
    record = read_record(project)
    if is_update and git(project, "status", "--porcelain", "-uno").stdout:
        sys.exit("There are changes that are not committed: commit or stash them first")
    template, old, new = located(record["commit"])
    with_cookiecutter()
    recorded = record["context"]["cookiecutter"]
    recorded = {k: v for k, v in recorded.items() if not k.startswith("_")}
    given = given_answers()
    with tempfile.TemporaryDirectory() as name:
        before, _ = render(old, recorded, Path(name, "old"))
        after, answers = render(new, {**recorded, **given}, Path(name, "new"))
        if set(given) - set(answers):
            sys.exit(f"There is no question {', '.join(set(given) - set(answers))}")
        base = commit(project, before, f"Template at {record['commit'][:12]}")
        tip = commit(project, after, f"Template at {new[:12]}", base)
    told = news(old, new)
    is_same = not git(project, "diff", "--quiet", base, tip, check=False).returncode
    if is_same:
        print(f"Nothing in this project is different in the template at {new[:12]}.")
    if not is_update:
        sys.stdout.write(told)
        sys.stdout.flush()
        command = ["git", "--no-pager", "diff", "--relative", base, tip]
        sys.exit(subprocess.run(command, check=False).returncode)
    state = {
        "template": template,
        "commit": new,
        "checkout": record.get("checkout"),
        "context": {"cookiecutter": dict(sorted(answers.items()))},
        "directory": record.get("directory"),
    }
    state = {**state, **record, **state}  # in this order, as the hook writes it
    if state != record:
        merge(project, tip, state, told)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

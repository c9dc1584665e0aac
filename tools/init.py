"""`make init`: turn the repository that this runs in into a project, in one commit.

For a copy of the template (GitHub's "Use this template") or a clone of it:

    python -m tools.init                        asks the questions, and shows defaults
    python -m tools.init serving=flask ci=none  asks nothing; the rest is default

The project is rendered elsewhere and whole, and nothing is changed unless that went
well. Everything that git tracks is then replaced, in one commit. If that fails, the
repository is put back as it was.

An answer is taken as it is typed: Cookiecutter would read it as a Jinja template.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cookiecutter.config import get_user_config
from cookiecutter.exceptions import CookiecutterException
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config

WORKFLOWS = Path(".github/workflows")
# Where the project's own lie until somebody who may write workflows enables them.
DELIVERED = Path(".github/project-workflows")
ENABLE = Path(".github/enable-workflows.sh")


class Refused(Exception):
    """Why nothing was done, in words for whoever asked for it."""


def git(root: Path, *arguments: str, given: str | None = None) -> str:
    """Run git in a folder and return what it says.

    Args:
        root: The folder.
        arguments: The command of git, and its options.
        given: What it reads.

    Raises:
        Refused: If it fails, in its own words.
    """
    command = ["git", "--literal-pathspecs", *arguments]
    done = subprocess.run(
        command, cwd=root, input=given, capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        raise Refused(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def checked(folder: Path) -> Path:
    """Return the top of a repository that can be turned into a project.

    Raises:
        Refused: If it is none, or would lose something.
    """
    try:
        root = Path(git(folder, "rev-parse", "--show-toplevel").removesuffix("\n"))
        git(root, "rev-parse", "--verify", "HEAD")
    except Refused:
        how = "git init && git add --all && git commit --message Template"
        raise Refused(f"{folder} is no git repository with a commit: {how}") from None
    if not (root / "cookiecutter.json").exists():
        raise Refused(f"{root} is no template (any more): it has no cookiecutter.json")
    if changed := git(root, "status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:5])
        raise Refused(f"Commit these first, or remove them, as they would go: {names}")
    try:
        git(root, "var", "GIT_COMMITTER_IDENT")
    except Refused:
        how = "git config user.name NAME && git config user.email ADDRESS"
        raise Refused(f"Git does not know who commits: {how}") from None
    return root


def hook(template: Path, name: str) -> dict[str, Any]:
    """Return what a hook of the template defines, as it is, unrendered."""
    return runpy.run_path(str(template / f"hooks/{name}.py"))


def literal(text: str) -> str:
    """Return the Jinja template that renders to a text, whatever it holds."""
    return "{{ '%s' }}" % "".join(f"\\U{ord(character):08x}" for character in text)


def answers_to(
    template: Path, given: Mapping[str, str], name: str, ask: bool
) -> dict[str, Any]:
    """Return all variables, as Cookiecutter derives them from the answers.

    Args:
        template: The folder of the template.
        given: Question -> answer.
        name: What the repository is called: so are the project and its folder.
        ask: Whether somebody is asked at the terminal what was not given.

    Raises:
        Refused: If there is no such question or choice.
    """
    file = template / "cookiecutter.json"
    questions = json.loads(file.read_text(encoding="utf-8"))
    public = [question for question in questions if not question.startswith("_")]
    if unknown := [question for question in given if question not in public]:
        raise Refused(f"{unknown[0]} is no question; these are: {', '.join(public)}")
    problem = hook(template, "pre_gen_project")["slug_problem"]
    defaults = {"project_name": literal(name)}
    if not problem(name, questions["_taken_slugs"].split()):
        defaults["project_slug"] = name
    answers = {
        question: answer if isinstance(questions[question], list) else literal(answer)
        for question, answer in given.items()
    }
    try:
        usual = get_user_config()["default_context"]
        context = generate_context(str(file), {**usual, **defaults}, answers)
        variables = dict(prompt_for_config(context, no_input=not ask))
    except (ValueError, CookiecutterException) as error:
        raise Refused(str(error)) from None
    if variables["__source"].startswith("../"):
        rule = "in place, it is a URL, or a path from / or ~"
        raise Refused(f"data_source: {variables['data_source']!r}: {rule}")
    return variables


def rendered(template: Path, variables: dict[str, Any], output: Path) -> Path:
    """Render a project with Cookiecutter's own command, and return its folder.

    Raises:
        Refused: If the answers are refused, in the words of the hook.
    """
    replay, settings = output.with_suffix(".json"), output.with_suffix(".yaml")
    replay.write_text(json.dumps({"cookiecutter": variables}), encoding="utf-8")
    # Cookiecutter would keep the answers, also refused ones, in the home of the user.
    settings.write_text(json.dumps({"replay_dir": str(output.with_suffix(".kept"))}))
    options = ["--replay-file", str(replay), "--config-file", str(settings)]
    command = ["-m", "cookiecutter", str(template), "--output-dir", str(output)]
    done = subprocess.run(
        [sys.executable, *command, *options],
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        words, _, _ = done.stderr.partition("\nBelow, Cookiecutter tells")
        raise Refused(words.strip() or done.stdout.strip())
    (project,) = output.iterdir()
    return project


def origin(root: Path, url: str | None) -> dict[str, str | None]:
    """Return which template, and which revision of it, a repository comes from.

    A copy made by the button has one commit of its own at its root, whose tree is the
    template's: what identifies the revision is that tree. A clone of the template
    has the template's own commits, and its URL.

    Args:
        root: The repository.
        url: Where the template is, if that is known.
    """
    roots = git(root, "rev-list", "--max-parents=0", "HEAD").split()
    shallow = git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
    is_copy = git(root, "ls-tree", roots[-1], "tools/init.py") and not shallow
    if is_copy:
        revision = f"{roots[-1]}^{{tree}}"
    else:
        revision = "HEAD"
        if not url and "origin" in git(root, "remote").split():
            url = git(root, "remote", "get-url", "origin").strip()
    if url:  # the file that holds it is committed
        url = hook(root, "post_gen_project")["without_secrets"](url)
    return {"template": url, "commit": git(root, "rev-parse", revision).strip()}


def record(project: Path, variables: dict[str, Any], source: dict[str, Any]) -> None:
    """Write down what an update needs: the template, its revision, the answers."""
    public = {k: v for k, v in sorted(variables.items()) if not k.startswith("_")}
    file = project / ".cruft.json"
    state = {"checkout": None, "context": {"cookiecutter": public}, "directory": None}
    if file.exists():  # the hook's own record, which lacks where this comes from
        state = json.loads(file.read_text(encoding="utf-8"))
    text = json.dumps({**source, **state, **source}, indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def deliver(project: Path, template: Path) -> None:
    """Leave the workflows as they are, and put the project's own beside them.

    ``tools/enable-workflows.sh`` goes with them, and puts them in place.
    """
    (project / WORKFLOWS).parent.mkdir(exist_ok=True)
    if (project / WORKFLOWS).exists():
        (project / WORKFLOWS).rename(project / DELIVERED)
    shutil.copytree(template / WORKFLOWS, project / WORKFLOWS)
    shutil.copy(template / "tools/enable-workflows.sh", project / ENABLE)


def replace(root: Path, project: Path, message: str) -> None:
    """Replace everything that git tracks with a project, in one commit.

    What git ignores stays where it is, but for what lies in folders of the template.

    Raises:
        Refused: If it cannot be done; the repository is then as it was.
    """
    files = [p.relative_to(project) for p in project.rglob("*") if not p.is_dir()]
    listed = "\0".join(path.as_posix() for path in sorted(files))
    tracked = git(root, "ls-files", "-z").split("\0")
    try:
        for name in {path.split("/")[0] for path in tracked if path}:
            path = root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        for file in files:
            if os.path.lexists(root / file):
                raise Refused(f"{file} is in the way: git ignores it; move it away")
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(project / file, root / file)
        git(root, "read-tree", "--empty")
        from_input = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git(root, "add", "--force", *from_input, given=listed)
        git(root, "commit", "--quiet", "--no-verify", f"--message={message}")
    except BaseException as error:
        git(root, "reset", "--hard", "--quiet", "HEAD")
        git(root, "clean", "-d", "--force", "--quiet")
        why = str(error) or "interrupted"
        raise Refused(f"Nothing was changed: {why}") from None


def initialise(
    folder: Path,
    given: Mapping[str, str],
    *,
    url: str | None = None,
    name: str | None = None,
    ask: bool = False,
    may_write_workflows: bool = True,
) -> str:
    """Turn the repository of a folder into a project, in one commit.

    Args:
        folder: Where the repository is.
        given: Question -> answer.
        url: Where the template is, if that is known.
        name: What the repository is called, unless as its folder.
        ask: Whether somebody is asked at the terminal what was not given.
        may_write_workflows: Whether ``.github/workflows`` may change. If not, the
            project's own are delivered beside them.

    Returns:
        The command to go on with, for somebody to run.

    Raises:
        Refused: If it cannot be done; nothing has changed then.
    """
    root = checked(folder)
    with tempfile.TemporaryDirectory() as temporary:
        template = Path(temporary, "template")  # what is committed, and nothing else
        git(root, "checkout-index", "--all", f"--prefix={template}/")
        settings = tomllib.loads((template / "pyproject.toml").read_text("utf-8"))
        variables = answers_to(template, given, name or root.name, ask)
        project = rendered(template, variables, Path(temporary, "made"))
        record(project, variables, origin(root, url))
        if not may_write_workflows:
            deliver(project, template)
        version = settings["project"]["version"]
        replace(root, project, f"Start from cookiecutter-mlops {version}")
    # The schema of data of one's own is inferred by the first run, and reviewed then.
    return f"make {'data' if variables['__sample'] == 'none' else 'pipeline'}"


def main() -> None:
    """Initialise the repository of the current folder."""
    pairs = [argument.partition("=") for argument in sys.argv[1:]]
    try:
        if wrong := [pair[0] for pair in pairs if not pair[1]]:
            raise Refused(f"{wrong[0]}: an answer is given as question=answer")
        given = {question: answer for question, _, answer in pairs}
        url = os.environ.get("TEMPLATE_URL")
        first = initialise(Path.cwd(), given, url=url, ask=not given)
    except Refused as refused:
        sys.exit(str(refused))
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nNo project was made, and nothing changed.")
    print("This repository is a project now, in one commit. Next:")
    print(f"  make setup\n  {first}")


if __name__ == "__main__":
    main()

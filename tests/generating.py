"""Answering the questions and generating projects, for the tests of the generator."""

import atexit
import functools
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config

TEMPLATE = Path(__file__).resolve().parents[1]
FOLDER = TEMPLATE / "{{cookiecutter.project_slug}}"

# Text that breaks whatever does not quote it.
NASTY = (
    "- #1 'q' \"dq\" \\n {{ x }} {% y %} {# z %} }} $HOME `id` 100% "
    "ü 🚀 مشروع: [a] & <b>"
)
CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".hypothesis"}
# The option of a question that leaves its answer to the preset.
BY_PRESET = "{{ cookiecutter.preset }}"
ADOPT = ("--overwrite-if-exists", "--skip-if-file-exists")
TESTER = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")


def questions(template: Path = TEMPLATE) -> dict[str, Any]:
    """Return what ``cookiecutter.json`` asks, each choice as somebody may give it.

    A question that presets answer has one more option, the first: the preset's name.
    """
    asked = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    for values in asked.values():
        if isinstance(values, list) and values[0] == BY_PRESET:
            del values[0]
    return asked


@functools.cache
def clean_template() -> Path:
    """Return a copy of the template without caches of tools that ran in it.

    Cookiecutter would render them, too; a clone of the repository has none.
    """
    copy = Path(tempfile.mkdtemp(prefix="template-"))
    atexit.register(shutil.rmtree, copy)
    shutil.copy(TEMPLATE / "cookiecutter.json", copy)
    for folder in (TEMPLATE / "hooks", FOLDER):
        ignore = shutil.ignore_patterns(*CACHES)
        shutil.copytree(folder, copy / folder.name, ignore=ignore)
    return copy


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it says; it must succeed."""
    command = ["git", "-C", str(folder), *TESTER, *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commit(folder: Path, message: str) -> str:
    """Commit everything in a folder, a repository from now on, and return the commit.

    The copy of the template that most tests use is none: generation is faster there,
    and no project has a file that differs with the revision.
    """
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD").strip()


def typed(text: str) -> str:
    """Return what to give on the command line so that ``text`` is the answer.

    Cookiecutter renders what it is given there, but not what is typed at its prompt.
    """
    return f"{{% raw %}}{text}{{% endraw %}}"


def answered(**given: str) -> dict[str, Any]:
    """Return all variables, as cookiecutter derives them from the answers given."""
    context = generate_context(str(TEMPLATE / "cookiecutter.json"), extra_context=given)
    return dict(prompt_for_config(context, no_input=True))


def load_hook(name: str) -> ModuleType:
    """Import a hook as it is, unrendered."""
    path = TEMPLATE / "hooks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cookiecutter(
    *arguments: str, prompt: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run cookiecutter's own command.

    Args:
        arguments: Options, and answers as ``question=answer``.
        prompt: What is typed at its prompt; if None, and not replaying, nobody is
            asked.
    """
    how = [] if prompt is not None or "--replay" in arguments else ["--no-input"]
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        str(clean_template()),
        *how,
        *arguments,
    ]
    return subprocess.run(
        command,
        input=prompt or "",
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def generate(output: Path, *options: str, **answers: str) -> Path:
    """Generate a project into ``output`` and return its folder."""
    given = [f"{question}={answer}" for question, answer in answers.items()]
    finished = cookiecutter("-o", str(output), *options, *given)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return output / answered(**answers)["project_slug"]


def files(folder: Path) -> set[str]:
    """Return the paths of all files below a folder, relative to it.

    Caches are left out: linters may have left theirs in the template.
    """
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if (path.is_file() or path.is_symlink())
        and not CACHES & set(path.relative_to(folder).parts)
    }

"""The steps of docs/adding-a-choice.md: all taken, or one of them forgotten."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from docs import options
from tests.forgotten import NUMBERS, forgotten
from tests.generating import FOLDER, TEMPLATE
from tools import button

FENCED = re.compile(r"^( *)```\w+ title=\"([^\"]+)\"\n(.*?)^ *```$", re.M | re.S)
PAGE = (TEMPLATE / "docs/adding-a-choice.md").read_text(encoding="utf-8")
BLOCK = {title: textwrap.dedent(body) for _, title, body in FENCED.findall(PAGE)}
SETTINGS = next(title for title in BLOCK if title.startswith("."))
COUNT = sum(
    not name.startswith("_")
    for name in json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
)


def change(file: Path, old: str, new: str) -> None:
    """Replace a text of a file that stands in it, once."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file} does not hold {old!r}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def ask(template: Path) -> None:
    """Step 1: put the question behind the last one that is asked."""
    file = template / "cookiecutter.json"
    questions = json.loads(file.read_text(encoding="utf-8"))
    last = [name for name in questions if not name.startswith("_")][-1]
    line = f'  "{last}": {json.dumps(questions[last])},\n'
    change(file, line, line + f"  {BLOCK['cookiecutter.json'].strip()},\n")


def preset(template: Path) -> None:
    """Step 1: say what each preset answers."""
    start = '  "_presets": {\n'
    entry = f"    {BLOCK['cookiecutter.json: _presets'].strip()},\n"
    change(template / "cookiecutter.json", start, start + entry)


def word(template: Path) -> None:
    """Step 1: word it, behind the last of the wordings."""
    wording = BLOCK["cookiecutter.json: __prompts__"].rstrip()
    change(
        template / "cookiecutter.json", "    }\n  }\n}", f"    }},\n{wording}\n  }}\n}}"
    )


def write(template: Path) -> None:
    """Step 2: write the files."""
    file = template / FOLDER.name / SETTINGS
    file.parent.mkdir()
    file.write_text(BLOCK[SETTINGS], encoding="utf-8")


def own(template: Path) -> None:
    """Step 3: own them."""
    entry = textwrap.indent(BLOCK["hooks/post_gen_project.py"], "    ")
    start = "OWNED_PATHS = {\n"
    change(template / "hooks/post_gen_project.py", start, start + entry)


def reason(template: Path) -> None:
    """Step 6: give the file its reason, at the end of the table."""
    file = template / "docs/decisions.md"
    text = file.read_text(encoding="utf-8").rstrip() + "\n" + BLOCK["docs/decisions.md"]
    file.write_text(text, encoding="utf-8")


def tell(template: Path) -> None:
    """Step 6: tell those who update."""
    file, heading = template / "CHANGELOG.md", "## Unreleased\n"
    if heading not in file.read_text(encoding="utf-8"):  # nothing since the release
        change(file, "\n## ", f"\n{heading}\n## ")
    change(file, heading, f"{heading}\n{BLOCK['CHANGELOG.md']}")


def count(template: Path) -> None:
    """Step 6: say in the tour how many questions there are."""
    file = template / "docs/tour.md"
    text = file.read_text(encoding="utf-8").replace(f"/{COUNT}]", f"/{COUNT + 1}]")
    file.write_text(text, encoding="utf-8")
    change(file, f"asks {NUMBERS[COUNT]}", f"asks {NUMBERS[COUNT + 1]}")


def options_page(template: Path) -> None:
    """Step 6: write the rows of the options."""
    text = options.page(options.Catalogue(template), options.load_measured())
    (template / "docs/options.md").write_text(text, encoding="utf-8")


def inputs(template: Path) -> None:
    """Step 6: write the inputs of the button."""
    text = button.written(template)
    (template / button.WORKFLOW).write_text(text, encoding="utf-8")


STEPS = [
    ask,
    preset,
    word,
    write,
    own,
    reason,
    tell,
    count,
    options_page,
    inputs,
]


def take(template: Path, steps: list[Callable[[Path], None]]) -> Path:
    """Take steps in a copy of this repository, which is returned."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listed, cwd=TEMPLATE, text=True)
    for name in filter(None, names.split("\0")):
        if (TEMPLATE / name).exists():
            (template / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, template / name)
    for step in steps:
        step(template)
    return template


def test_no_step_was_forgotten_in_this_template() -> None:
    lines = "\n".join(forgotten(TEMPLATE))
    assert not lines, f"\n{lines}"


FORGOTTEN = {
    preset: "cookiecutter.json: _presets does not answer editor",
    word: "cookiecutter.json: __prompts__ has no words for editor",
    write: "hooks/post_gen_project.py: editor=vscode owns .vscode/settings.json, "
    "which is not in the template",
    own: ".vscode/settings.json: is in every project; if editor=vscode brings it, give "
    "it an owner in OWNED_PATHS of hooks/post_gen_project.py",
    reason: "docs/decisions.md: no row says why projects have `.vscode/settings.json`",
    tell: "CHANGELOG.md: does not name `editor=vscode`",
    count: f"docs/tour.md: speaks of {COUNT} and {NUMBERS[COUNT]} questions, but "
    f"{COUNT + 1} are asked",
    options_page: "docs/options.md: is not up to date; "
    ".venv/bin/python -m docs.options",
    inputs: ".github/workflows/project.yml: is not up to date; "
    ".venv/bin/python -m tools.button --inputs",
}


@pytest.mark.parametrize("step", FORGOTTEN, ids=lambda step: step.__name__)
def test_each_step_that_was_forgotten_is_one_clear_line(
    step: Callable[[Path], None], tmp_path: Path
) -> None:
    template = take(tmp_path, [other for other in STEPS if other is not step])
    assert forgotten(template) == [FORGOTTEN[step]]


def test_a_choice_that_changes_nothing_is_found(tmp_path: Path) -> None:
    steps = [step for step in STEPS if step not in (write, own, reason)]
    assert forgotten(take(tmp_path, steps)) == [
        "hooks/post_gen_project.py: editor=vscode owns no file; give it those that it "
        "brings in OWNED_PATHS"
    ]


def test_a_new_choice_of_a_question_is_held_to_the_same_steps(tmp_path: Path) -> None:
    template = take(tmp_path, [])
    change(
        template / "cookiecutter.json",
        '"mlflow", "wandb",',
        '"mlflow", "wandb", "aim",',
    )
    file = template / FOLDER.name / "src/tracking/tracker_aim.py"
    file.write_text('"""Aim."""\n')
    options_page(template)
    inputs(template)
    assert forgotten(template) == [
        "cookiecutter.json: __prompts__ has no words for experiment_tracking=aim",
        "src/tracking/tracker_aim.py: is in every project; if experiment_tracking=aim "
        "brings it, give it an owner in OWNED_PATHS of hooks/post_gen_project.py",
        "CHANGELOG.md: does not name `experiment_tracking=aim`",
    ]


# What takes long and does not look at what a choice touches.
LONG = ["broken_file", "predictions", "free_text", "site_builds", "command_line"]
LONG += ["table_says", "in_the_table", "afternoon", "files_are_few", "is_a_page"]


# What generates projects of several revisions, whatever is asked.
HISTORY = ["test_updating", "test_interrupted", "test_init", "test_release"]


@pytest.mark.parametrize(
    "left_out",
    [LONG, pytest.param(HISTORY, marks=pytest.mark.slow)],
    ids=["the quick tests", "all fast tests"],
)
def test_followed_to_the_letter_all_is_green(
    left_out: list[str], tmp_path: Path
) -> None:
    template = take(tmp_path, STEPS)
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    for command in (
        ["init"],
        ["add", "--all", "--force"],
        [*who, "commit", "--message", "All"],
    ):
        quiet = {"stdout": subprocess.DEVNULL}
        subprocess.run(["git", *command], cwd=template, check=True, **quiet)
    chosen = [f"not {name}" for name in ("adding_a_choice", *left_out)]
    start = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-n", "2"]
    quick = ["answers", "combinations", "docs", "living", "ownership", "size"]
    tests = ["tests"]
    if left_out is LONG:
        tests = [f"tests/test_{name}.py" for name in quick]
    done = subprocess.run(
        [*start, "-p", "no:cacheprovider", "-k", " and ".join(chosen), *tests],
        cwd=template,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]

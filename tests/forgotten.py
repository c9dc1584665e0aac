"""What is still to do where a question, a choice or a file was added.

``docs/adding-a-choice.md`` gives the steps; each one that was forgotten is one line.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs import options
from tests.combinations.model import Model, covers
from tools import button

INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
NUMBERS = dict(
    enumerate("ten eleven twelve thirteen fourteen fifteen sixteen".split(), 10)
)
NUMBERS |= dict(enumerate("seventeen eighteen nineteen twenty".split(), 17))

# The tree that the guide draws: files by name, directories with a slash.
GUIDE = """
.github/workflows/tests.yml .github/workflows/deploy.yml
config/model_config.yaml config/pipeline_config.yaml
config/env/dev.yaml config/env/staging.yaml config/env/prod.yaml
data/raw/ data/processed/ data/features/ data/.gitignore
docs/data_dictionaries/ docs/model_cards/ docs/architecture/ models/.gitignore
notebooks/exploration/ notebooks/experimentation/ notebooks/analysis/
scripts/data_download.py scripts/evaluation.py scripts/deployment.py
src/data/__init__.py src/data/ingestion.py src/data/validation.py
src/data/preprocessing.py
src/features/__init__.py src/features/creation.py src/features/selection.py
src/features/transformation.py
src/models/__init__.py src/models/base.py src/models/factory.py
src/models/model_types/__init__.py src/models/model_types/linear.py
src/models/model_types/tree.py
src/training/__init__.py src/training/train.py src/training/validation.py
src/evaluation/__init__.py src/evaluation/metrics.py src/evaluation/performance.py
src/serving/__init__.py src/serving/api.py src/serving/middleware.py
src/utils/__init__.py src/utils/logging.py src/utils/visualization.py
tests/unit/ tests/integration/ tests/fixtures/
.env.example .gitignore Dockerfile Makefile README.md requirements.txt setup.py
""".split()


def within(path: str, entries: list[str]) -> bool:
    """Tell whether an entry is the path, or a directory that holds it."""
    return any(path == e or (e.endswith("/") and path.startswith(e)) for e in entries)


def additions(template: Path) -> list[str]:
    """Return the paths to which docs/decisions.md gives a reason."""
    text = (template / "docs/decisions.md").read_text(encoding="utf-8")
    table = text.partition("## Additions to the guide's tree")[2]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    return [path for cell in cells for path in INLINE.findall(cell)]


def landings(model: Model) -> set[str]:
    """Return every file that some project has."""
    return {landing for path in model.paths for landing in model.landings(path)}


def forgotten(template: Path) -> list[str]:
    """Return a line for each step that was forgotten in a template."""
    model = Model(template)
    return [
        *wording(model),
        *presets(model),
        *files(model),
        *owners(model),
        *reasons(model),
        *options_page(template),
        *inputs(template),
        *changelog(model),
        *tour(model),
    ]


def choices(model: Model) -> Iterator[tuple[str, str]]:
    """Yield each question and each of its choices that does not decline it."""
    for question in model.questions.values:
        raw = model.questions.raw[question]
        for choice in raw if isinstance(raw, list) else []:
            if choice != model.questions.declining(question):
                yield question, choice


def wording(model: Model) -> Iterator[str]:
    """Step 1: each question and each choice is worded."""
    prompts: dict[str, Any] = model.questions.raw["__prompts__"]
    for question in model.questions.values:
        raw, prompt = model.questions.raw[question], prompts.get(question)
        known = set(prompt) if isinstance(prompt, dict) else set()
        if missing := prompt is None or isinstance(raw, list) and set(raw) - known:
            which = "" if missing is True else f"={sorted(missing)[0]}"
            yield f"cookiecutter.json: __prompts__ has no words for {question}{which}"


def presets(model: Model) -> Iterator[str]:
    """Step 1: each preset answers what can be declined."""
    for question in model.questions.values:
        if model.questions.declining(question):
            if question not in model.questions.raw["_presets"]:
                yield f"cookiecutter.json: _presets does not answer {question}"


def files(model: Model) -> Iterator[str]:
    """Step 2: what is owned is there."""
    for question, owned in model.hook.OWNED_PATHS.items():
        for choice, entries in owned.items():
            for path, _ in map(model.hook.split, entries):
                if not any(covers(path, file) for file in model.paths):
                    yield (
                        f"hooks/post_gen_project.py: {question}={choice} owns {path}, "
                        "which is not in the template"
                    )


def owners(model: Model) -> Iterator[str]:
    """Step 3: what a choice brings is owned by it, or written into a shared text."""
    table = model.hook.OWNED_PATHS
    owned = [
        p
        for cs in table.values()
        for es in cs.values()
        for p, _ in map(model.hook.split, es)
    ]
    read = {q for ps in model.pieces.values() for p in ps for q in p.questions}
    read |= {
        q
        for name in table
        for q in model.questions.closure([name])
        if name not in model.questions.values
    }
    for question, choice in choices(model):
        can_own = question in table or model.questions.declining(question)
        stray = [
            path
            for path in model.paths
            if can_own
            and choice in re.split(r"[/._-]", path)
            and not any(covers(entry, path) for entry in owned)
        ]
        for path in stray:
            yield (
                f"{path}: is in every project; if {question}={choice} brings it, give "
                "it an owner in OWNED_PATHS of hooks/post_gen_project.py"
            )
        # A preset owns nothing: it gives the answers that do.
        if stray or question == "preset" or choice in table.get(question, {}):
            continue
        if question in table or question not in read:
            yield (
                f"hooks/post_gen_project.py: {question}={choice} owns no file; give it "
                "those that it brings in OWNED_PATHS"
            )


def reasons(model: Model) -> Iterator[str]:
    """Step 5: what the guide does not draw has a reason."""
    known = [*GUIDE, *additions(model.template)]
    for path in sorted(landings(model)):
        if not within(path, known):
            yield f"docs/decisions.md: no row says why projects have `{path}`"


def options_page(template: Path) -> Iterator[str]:
    """Step 5: the page of options is what the questions and the table say."""
    expected = options.page(options.Catalogue(template), options.load_measured())
    if (template / "docs/options.md").read_text(encoding="utf-8") != expected:
        yield "docs/options.md: is not up to date; .venv/bin/python -m docs.options"


def inputs(template: Path) -> Iterator[str]:
    """Step 6: the button asks what there is to ask."""
    text = (template / button.WORKFLOW).read_text(encoding="utf-8")
    if text != button.written(template):
        how = ".venv/bin/python -m tools.button --inputs"
        yield f"{button.WORKFLOW}: is not up to date; {how}"


def changelog(model: Model) -> Iterator[str]:
    """Step 5: those who update are told of each question and choice."""
    text = (model.template / "CHANGELOG.md").read_text(encoding="utf-8")
    named = set(INLINE.findall(text))
    for question, choice in choices(model):
        if not {choice, f"{question}={choice}"} & named:
            yield f"CHANGELOG.md: does not name `{question}={choice}`"


def tour(model: Model) -> Iterator[str]:
    """Step 5: the tour says how many questions there are."""
    text = (model.template / "docs/tour.md").read_text(encoding="utf-8")
    said = set(re.findall(r"^ +\[\d+/(\d+)\]", text, re.MULTILINE))
    said |= set(re.findall(r"asks\s+(\w+)\s+questions", text))
    count = len(model.questions.values)
    wrong = said - {str(count), NUMBERS.get(count)}
    if wrong or not said:
        found = " and ".join(sorted(wrong))
        yield f"docs/tour.md: speaks of {found} questions, but {count} are asked"

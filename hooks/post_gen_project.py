"""Keeps of the rendered project what was chosen, and removes the rest.

``OWNED_PATHS`` is the one place that says which answer owns which files. A file that
no answer owns is in every project. An owned file stays if an answer that was given
owns it, and goes if only other answers do; folders that this empties go too.

Two answers that fill the same place live side by side in the template under names of
their own: a pair (path in the template, path in the project) says where one lands.

Nothing that was there before generation is touched: ``pre_gen_project.py`` has left a
record of it. It is removed here as the last step, so that a run that was interrupted
is known by it, and completed by the next.
"""

import fnmatch
import json
import os
import shlex
import sys

# What every way of serving has, whatever its framework.
SERVICE = [
    "config/serving_config.yaml",
    "docs/serving.md",
    "src/serving/__init__.py",
    "src/serving/champion.py",
    "src/serving/model.py",
    "src/serving/schemas.py",
    "src/serving/settings.py",
    "src/serving/tables.py",
    "tests/fixtures/serving.py",
    "tests/unit/test_export.py",
    "tests/unit/test_serving.py",
    ("src/models/export_onnx.py", "src/models/export.py"),
]

# question, or private variable of cookiecutter.json -> answer -> what it owns.
# A path that ends in a slash is a folder with everything in it.
OWNED_PATHS = {
    "license": {
        "MIT": [("LICENSE-MIT", "LICENSE")],
        "BSD-3-Clause": [("LICENSE-BSD-3-Clause", "LICENSE")],
        "Apache-2.0": [("LICENSE-Apache-2.0", "LICENSE")],
        "Proprietary": [("LICENSE-Proprietary", "LICENSE")],
    },
    "__sample": {
        "census_income": [
            "data/sample/census_income.csv.gz",
            ("data/sample/README.census_income.md", "data/sample/README.md"),
            ("config/data_schema.census_income.yaml", "config/data_schema.yaml"),
            (
                "docs/data_dictionaries/data_dictionary.census_income.md",
                "docs/data_dictionaries/data_dictionary.md",
            ),
        ],
        "bike_sharing": [
            "data/sample/bike_sharing.csv.gz",
            ("data/sample/README.bike_sharing.md", "data/sample/README.md"),
            ("config/data_schema.bike_sharing.yaml", "config/data_schema.yaml"),
            (
                "docs/data_dictionaries/data_dictionary.bike_sharing.md",
                "docs/data_dictionaries/data_dictionary.md",
            ),
        ],
    },
    "data_versioning": {
        "dvc": [
            ".dvcignore",
            "docs/data_versioning.md",
            "dvc.yaml",
        ],
    },
    "experiment_tracking": {
        "mlflow": [
            (
                "docs/experiment_tracking.mlflow.md",
                "docs/experiment_tracking.md",
            ),
            ("src/models/registry_mlflow.py", "src/models/registry.py"),
            ("src/tracking/tracker_mlflow.py", "src/tracking/tracker.py"),
            ("tests/unit/test_tracker_mlflow.py", "tests/unit/test_tracker.py"),
        ],
        "wandb": [
            ("docs/experiment_tracking.wandb.md", "docs/experiment_tracking.md"),
            ("src/models/registry_folder.py", "src/models/registry.py"),
            ("src/tracking/tracker_wandb.py", "src/tracking/tracker.py"),
            ("tests/unit/test_tracker_wandb.py", "tests/unit/test_tracker.py"),
        ],
        "none": [
            ("src/models/registry_folder.py", "src/models/registry.py"),
            ("src/tracking/tracker_none.py", "src/tracking/tracker.py"),
        ],
    },
    "responsible_ai": {
        "yes": [
            "config/responsible_ai_config.yaml",
            "docs/responsible_ai.md",
            "src/evaluation/explanation.py",
            "src/evaluation/fairness.py",
            "tests/unit/test_responsible_ai.py",
            ("src/evaluation/audits_responsible_ai.py", "src/evaluation/audits.py"),
        ],
        "no": [("src/evaluation/audits_none.py", "src/evaluation/audits.py")],
    },
    "serving": {
        "fastapi": [
            *SERVICE,
            "src/serving/static/",
            ("src/serving/api_fastapi.py", "src/serving/api.py"),
            ("src/serving/middleware_fastapi.py", "src/serving/middleware.py"),
            ("tests/unit/test_api_fastapi.py", "tests/unit/test_api.py"),
        ],
        "flask": [
            *SERVICE,
            "src/serving/static/",
            ("src/serving/api_flask.py", "src/serving/api.py"),
            ("src/serving/middleware_flask.py", "src/serving/middleware.py"),
            ("tests/unit/test_api_flask.py", "tests/unit/test_api.py"),
        ],
        "bentoml": [
            *SERVICE,
            "bentofile.yaml",
            ("src/serving/api_bentoml.py", "src/serving/api.py"),
            ("src/serving/middleware_bentoml.py", "src/serving/middleware.py"),
            ("tests/unit/test_api_bentoml.py", "tests/unit/test_api.py"),
        ],
        "none": [("src/models/export_none.py", "src/models/export.py")],
    },
    "deployment": {
        "docker": [".dockerignore", "Dockerfile"],
    },
    "ci": {
        "github": [".github/"],
    },
}

# What editors, tools and a run of the project leave in the template's folder: git
# ignores it there, and no project gets it. Names of files and folders, or paths.
LEFT_OVERS = """
.DS_Store .coverage .env .hypothesis .ipynb_checkpoints .partial-* .venv .*_cache
*.egg-info *.py[co] __pycache__ build dist mlflow.db mlruns release reports site wandb
data/raw/[!.]* data/processed/[!.]* data/features/[!.]* models/[!.]*
""".split()

# What an owner's own file must have for the project to work beside it:
# path -> (a text that tells that it has it, what to say if not).
KEPT = "These files of yours were kept as they are. What each needs:"
NEEDS = {
    "pyproject.toml": (
        '"src.*"',
        'the package src: [tool.setuptools.packages.find] include = ["src", "src.*"]',
    ),
    "setup.py": (
        "setup()",
        "no packages of its own: those of pyproject.toml, with src",
    ),
    "requirements.txt": (
        "-c constraints.txt",
        "the template's packages, and the lines -c constraints.txt and -e .",
    ),
    "Makefile": ("src/training/train.py", "the commands that the documents name"),
    ".gitignore": (".partial-", ".env, .partial-*, /release/, reports/"),
    ".github/workflows/tests.yml": ("make lint", "make lint and make coverage"),
    ".github/workflows/deploy.yml": (
        "scripts/deployment.py",
        "make pipeline, and scripts/deployment.py to release",
    ),
    "Dockerfile": ("COPY src", "config/, src/ and the packages of requirements.txt"),
}

# Written by pre_gen_project.py, which names them too.
RECORD = ".cookiecutter-existing.json"
ASIDE = ".cookiecutter-aside"


def split(entry):
    """Return the (path in the template, path in the project) of an entry."""
    return (entry, entry) if isinstance(entry, str) else tuple(entry)


def entries(table, answers, chosen):
    """Return the entries of the table whose answer was given, or was not.

    Args:
        table: As ``OWNED_PATHS``.
        answers: Question or private variable -> the answer.
        chosen: True for the entries of given answers, False for all others.

    Returns:
        A list of (path in the template, path in the project).
    """
    return [
        split(entry)
        for question, choices in table.items()
        for choice, owned in choices.items()
        if (answers[question] == choice) is chosen
        for entry in owned
    ]


def files_of(path):
    """Return the files that a path of the table stands for, in the current folder."""
    if not path.endswith("/"):
        return {path} if os.path.lexists(path) else set()
    return {
        os.path.join(folder, name).replace(os.sep, "/")
        for folder, _, names in os.walk(path.rstrip("/"))
        for name in names
    }


def files_below(top):
    """Return the files and links below a folder, relative to it, but not our own."""
    found = set()
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name not in (ASIDE, ".git")]
        links = [f for f in folders if os.path.islink(os.path.join(folder, f))]
        for name in names + links:
            path = os.path.relpath(os.path.join(folder, name), top)
            found.add(path.replace(os.sep, "/"))
    return found - {RECORD}


def is_ours(path, existing):
    """Tell whether this run wrote a file: not there before, nor in a linked folder."""
    folder = os.path.normpath(os.path.join(os.path.realpath("."), path, os.pardir))
    return path not in existing and os.path.realpath(folder) == folder


def remove(path, existing):
    """Remove a file of this run, and the folders of this run that it leaves empty.

    Args:
        path: A file, relative to the current folder.
        existing: The files and folders that were there before this run.
    """
    if not is_ours(path, existing):
        return
    os.remove(path)
    folder = os.path.dirname(path)
    while folder and folder not in existing and not os.listdir(folder):
        os.rmdir(folder)
        folder = os.path.dirname(folder)


def prune(table, answers, existing):
    """Remove what was not chosen, and give what was chosen its name in the project.

    Args:
        table: As ``OWNED_PATHS``.
        answers: Question or private variable -> the answer.
        existing: The files and folders that were there before this run.
    """
    kept = entries(table, answers, chosen=True)
    keep = set().union(*(files_of(path) for path, _ in kept))
    others = entries(table, answers, chosen=False)
    for path in set().union(*(files_of(path) for path, _ in others)) - keep:
        remove(path, existing)
    for path, landing in kept:
        if path == landing or not os.path.lexists(path):
            continue
        if os.path.lexists(landing):  # the owner's file, which stays as it is
            remove(path, existing)
        elif is_ours(path, existing):
            os.rename(path, landing)


def next_steps(answers):
    """Return where the project is, and what to do there first."""
    folder = os.getcwd()
    # The schema of data of one's own is inferred by the first run, and reviewed then.
    first = "data" if answers["__sample"] == "none" else "pipeline"
    commands = f"  cd {shlex.quote(folder)}\n  make setup\n  make {first}"
    return f"{folder} is there. Next:\n{commands}"


def is_update(answers):
    """Tell whether cruft compares, as in pre_gen_project.py: nobody works there."""
    if "_commit" not in answers:
        return False
    import tempfile

    above, project = os.path.split(os.path.realpath("."))
    temporary = os.path.realpath(tempfile.gettempdir())
    return os.path.dirname(above) == temporary and os.listdir(above) == [project]


def begins(path, whole):
    """Tell whether a file holds what another one begins with."""
    if os.path.islink(path) or not os.path.isfile(whole):
        return False
    with open(path, "rb") as part, open(whole, "rb") as file:
        return file.read().startswith(part.read())


def take_back(table, answers, rendered):
    """Tell apart what ``pre_gen_project.py`` set aside after an interrupted run.

    A file that was rendered anew, wholly or in part, is dropped. One that was not comes
    back to its place: the owner made it since. What differs stays aside: a file that
    the owner edited since, or that other answers led to.

    Args:
        table: As ``OWNED_PATHS``.
        answers: Question or private variable -> the answer.
        rendered: The files that this run wrote.

    Returns:
        The files that stay aside.
    """
    sources = {}
    for chosen in (True, False):
        for path, landing in entries(table, answers, chosen):
            sources.setdefault(landing, {landing}).add(path)
    stay = []
    for run in sorted(os.listdir(ASIDE), reverse=True) if os.path.isdir(ASIDE) else []:
        for path in sorted(files_below(os.path.join(ASIDE, run))):
            aside = os.path.join(ASIDE, run, path)
            written = sources.get(path, {path}) & rendered
            if any(begins(aside, source) for source in written):
                os.remove(aside)
            elif written or os.path.lexists(path):
                stay.append(aside)
            else:
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                os.rename(aside, path)
    for folder, _, _ in os.walk(ASIDE, topdown=False):
        if not os.listdir(folder):
            os.rmdir(folder)
    return stay


def is_left_over(path):
    """Tell whether a rendered file is no part of the template."""
    return any(
        fnmatch.fnmatchcase(path if "/" in pattern else name, pattern)
        for pattern in LEFT_OVERS
        for name in path.split("/")
    )


def needs(table, answers, existing):
    """Return (file, what it needs) for the files of the owner that were kept."""
    chosen = {path for path, _ in entries(table, answers, chosen=True)}
    others = {path for path, _ in entries(table, answers, chosen=False)} - chosen
    folders = tuple(path for path in others if path.endswith("/"))
    lacking = []
    for path, (sign, need) in NEEDS.items():
        if path not in existing or path in others or path.startswith(folders):
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            if sign not in file.read():
                lacking.append((path, need))
    return lacking


def main():
    """Prune the project in the current folder."""
    # JSON never holds three quotes in a row, so that it fits between these.
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    with open(RECORD, encoding="utf-8") as file:
        existing = set(json.load(file))
    rendered = files_below(".") - existing
    aside = take_back(OWNED_PATHS, answers, rendered)
    existing |= files_below(".") - rendered
    for path in filter(is_left_over, rendered):
        remove(path, existing)
    prune(OWNED_PATHS, answers, existing)
    lacking = needs(OWNED_PATHS, answers, existing)
    os.remove(RECORD)
    if lacking:
        print(KEPT)
        print("\n".join(f"  {path}: {need}" for path, need in lacking))
    if aside:
        print(
            "Edited since the interrupted run, or from other answers, and kept aside:"
        )
        print("\n".join(f"  {path}" for path in aside))
    if not is_update(answers):
        sys.stdout.reconfigure(errors="backslashreplace")  # the path is any text
        print(next_steps(answers))


if __name__ == "__main__":
    main()

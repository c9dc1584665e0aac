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
import re
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
    "tests/unit/test_serving.py",
    ("src/models/export_onnx.py", "src/models/export.py"),
]

# What every way of monitoring has, whatever draws its report.
MONITORING = [
    "config/monitoring_config.yaml",
    "docs/monitoring.md",
    "monitoring/alertmanager/",
    "monitoring/grafana/",
    "monitoring/prometheus/alerts.yml",
    "monitoring/prometheus/prometheus.yml",
    "monitoring/prometheus/tests/alerts.yml",
    "scripts/labels.py",
    "scripts/monitor.py",
    "scripts/retrain.py",
    "src/monitoring/",
    "tests/unit/test_monitoring.py",
]

# What Prometheus makes of the requests, where the project measures them itself.
HTTP_METRICS = [
    (
        "monitoring/prometheus/recording_http.yml",
        "monitoring/prometheus/recording.yml",
    ),
    (
        "monitoring/prometheus/tests/recording_http.yml",
        "monitoring/prometheus/tests/recording.yml",
    ),
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
    "monitoring": {
        "evidently": [
            *MONITORING,
            ("requirements-monitoring.evidently.txt", "requirements-monitoring.txt"),
            ("scripts/monitoring_report_evidently.py", "scripts/monitoring_report.py"),
        ],
        "nannyml": [
            *MONITORING,
            ("requirements-monitoring.nannyml.txt", "requirements-monitoring.txt"),
            ("scripts/monitoring_report_nannyml.py", "scripts/monitoring_report.py"),
        ],
    },
    "orchestration": {
        "prefect": [
            ("docs/orchestration.prefect.md", "docs/orchestration.md"),
            ("flows/pipeline_prefect.py", "flows/pipeline.py"),
            (
                "requirements-orchestration.prefect.txt",
                "requirements-orchestration.txt",
            ),
        ],
        "airflow": [
            ("docs/orchestration.airflow.md", "docs/orchestration.md"),
            ("flows/pipeline_airflow.py", "flows/pipeline.py"),
            (
                "requirements-orchestration.airflow.txt",
                "requirements-orchestration.txt",
            ),
        ],
        "zenml": [
            ("docs/orchestration.zenml.md", "docs/orchestration.md"),
            ("flows/pipeline_zenml.py", "flows/pipeline.py"),
            (
                "requirements-orchestration.zenml.txt",
                "requirements-orchestration.txt",
            ),
        ],
        "kubeflow": [
            ("docs/orchestration.kubeflow.md", "docs/orchestration.md"),
            ("flows/pipeline_kubeflow.py", "flows/pipeline.py"),
            (
                "requirements-orchestration.kubeflow.txt",
                "requirements-orchestration.txt",
            ),
        ],
    },
    "__recording": {
        "fastapi": [
            *HTTP_METRICS,
            ("src/serving/recording_fastapi.py", "src/serving/recording.py"),
        ],
        "flask": [
            *HTTP_METRICS,
            ("src/serving/recording_flask.py", "src/serving/recording.py"),
        ],
        "bentoml": [
            ("src/serving/recording_bentoml.py", "src/serving/recording.py"),
            (
                "monitoring/prometheus/recording_bentoml.yml",
                "monitoring/prometheus/recording.yml",
            ),
            (
                "monitoring/prometheus/tests/recording_bentoml.yml",
                "monitoring/prometheus/tests/recording.yml",
            ),
        ],
        "none": [("src/serving/recording_none.py", "src/serving/recording.py")],
    },
    "deployment": {
        "docker": [".dockerignore", "Dockerfile"],
    },
    "__compose": {"yes": ["compose.yaml"]},
    "ci": {
        "github": [
            ".github/dependabot.yml",
            ".github/workflows/deploy.yml",
            ".github/workflows/tests.yml",
        ],
    },
    "__retraining": {
        "github": [".github/workflows/retrain.yml"],
    },
}

# What editors, tools and a run of the project leave in the template's folder: git
# ignores it there, and no project gets it. Names of files and folders, or paths.
LEFT_OVERS = """
.DS_Store .coverage .env .hypothesis .ipynb_checkpoints .partial-* .venv
.venv-monitoring .venv-orchestration .airflow .kubeflow .prefect .zenml .*_cache
*.egg-info *.py[co] __pycache__ build dist dvc_plots mlflow.db mlruns release reports
site wandb
data/raw/[!.]* data/processed/[!.]* data/features/[!.]* models/[!.]*
""".split()

# What an owner's own file must have for the project to work beside it:
# path -> (a text that tells that it has it, what to say if not).
KEPT = "These files of yours were kept, and the template would have written others:"
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

# Which template made a project, as cruft and tools/update.py read it.
ORIGIN = ".cruft.json"
UNTOLD = (
    f"{ORIGIN} was not written, which make template-update reads: no commit of the "
    "template holds what was rendered. Generate from its URL, or from a clean clone."
)


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


def template_folder(answers):
    """Return the folder of the template, None if it cannot be told.

    Cookiecutter works there while a hook runs, and may name it as seen from elsewhere.
    """
    folder = os.path.realpath(f"/proc/{os.getppid()}/cwd")  # on Linux
    if not os.path.isfile(os.path.join(folder, "cookiecutter.json")):
        start = os.environ.get("PWD", "")
        folder = os.path.join(start, answers.get("_repo_dir", start))
    there = os.path.isfile(os.path.join(folder, "cookiecutter.json"))
    return os.path.abspath(folder) if there and os.path.isabs(folder) else None


def git(folder, *arguments):
    """Return what git says in a folder, None if it fails or is not there."""
    import subprocess

    command = ["git", "-C", folder, *arguments]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:
        return None
    return None if done.returncode else done.stdout.decode("utf-8", "replace")


def without_secrets(url):
    """Return a URL without password or token; ssh needs the user, and keeps it."""
    web = r"(?i)^(\w+\+)?(https?://)([^/?#]*@)?([^?#]*).*"
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1@", re.sub(web, r"\1\2\4", url))


def published(folder):
    """Return where others find what is checked out in a clone, None if nowhere."""
    url = git(folder, "config", "remote.origin.url") or ""
    pushed = git(folder, "branch", "--remotes", "--contains", "HEAD")
    return url if pushed and re.match(r"\w+://|[^/\\]+@[^/\\]+:", url) else None


def origin(folder, answers):
    """Return the text that says which template made this project, and of what answers.

    Args:
        folder: The template, or None.
        answers: Question or private variable -> the answer.

    Returns:
        None where no commit of the template holds what was rendered: it is no
        repository of its own, or has changes.
    """
    top = folder and git(folder, "rev-parse", "--show-prefix", "HEAD")
    rendered = ("cookiecutter.json", "hooks", "*project_slug*")
    status = ("status", "--porcelain", "--untracked-files", *rendered)
    if not top or top[0] != "\n" or git(folder, *status):
        return None
    # Cookiecutter works in a clone of its own where the template is named by a URL; the
    # first versions 2 do not say where they work.
    is_clone = answers.get("_repo_dir") != answers["_template"]
    url = git(folder, "config", "remote.origin.url") if is_clone else published(folder)
    url = url or folder
    told = {
        "template": without_secrets(url.strip()),
        "commit": top.strip(),
        "checkout": None,
        "context": {
            "cookiecutter": {k: v for k, v in answers.items() if not k.startswith("_")}
        },
        "directory": None,
    }
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def write_origin(text):
    """Write the file whole, through one that pre_gen_project.py knows as its own."""
    if os.path.isfile(ORIGIN):
        with open(ORIGIN, encoding="utf-8", errors="replace") as file:
            if file.read() == text:
                return
    with open(RECORD + ".new", "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    os.replace(RECORD + ".new", ORIGIN)


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


def render_afresh(folder, answers, output):
    """Render the same project into another folder, and return where it is there."""
    from cookiecutter.generate import generate_files

    fresh = generate_files(
        repo_dir=folder,
        context={"cookiecutter": answers},
        output_dir=output,
        accept_hooks=False,
    )
    here = os.getcwd()
    os.chdir(fresh)
    try:
        for path in filter(is_left_over, files_below(".")):
            remove(path, set())
        prune(OWNED_PATHS, answers, set())
    finally:
        os.chdir(here)
    return str(fresh)


def kept(folder, answers, existing):
    """Find the files of the owner that differ from what the template has there.

    Args:
        folder: The template, or None.
        answers: Question or private variable -> the answer.
        existing: The files and folders that were there before this run.

    Returns:
        A folder with the template's own files, None if there is none to compare with,
        and the paths that differ, or need something.
    """
    owned = sorted(filter(os.path.isfile, existing))
    if not owned:
        return None, []
    import shutil
    import tempfile

    output = tempfile.mkdtemp(prefix="template-")
    try:
        fresh = render_afresh(folder, answers, output)
    except Exception as error:  # whatever Cookiecutter this is, the project is made
        shutil.rmtree(output, ignore_errors=True)
        why = f"{type(error).__name__}: {error}" if folder else "no template in sight"
        print(f"Which files of yours differ could not be found out ({why}).")
        return None, list(filter(need, owned))
    differing = []
    for path in owned:
        if os.path.isfile(os.path.join(fresh, path)):
            with open(path, "rb") as mine, open(os.path.join(fresh, path), "rb") as its:
                if mine.read() != its.read():
                    differing.append(path)
    if not differing:
        shutil.rmtree(output)
    return fresh, differing


def need(path):
    """Return what a file of the owner needs and does not have, or None."""
    sign, lacking = NEEDS.get(path, ("", None))
    if not lacking or not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        return None if sign in file.read() else lacking


def told_of_kept(paths, fresh):
    """Return what to say of files that were kept, each with how to compare it."""
    lines = [KEPT]
    for path in paths:
        lacking = need(path)
        lines.append(f"  {path}" + (f": needs {lacking}" if lacking else ""))
        if fresh:
            pair = (os.path.join(fresh, path), os.path.abspath(path))
            lines.append("    git diff --no-index " + " ".join(map(shlex.quote, pair)))
    if fresh:
        lines.append(f"Delete {os.path.dirname(fresh)} when you have compared them.")
    return "\n".join(lines)


def main():
    """Prune the project in the current folder."""
    # JSON never holds three quotes in a row, so that it fits between these.
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    with open(RECORD, encoding="utf-8") as file:
        existing = set(json.load(file))
    sys.stdout.reconfigure(errors="backslashreplace")  # a path is any text
    folder = template_folder(answers)
    # cruft writes its own, and an update is none of a project of its own.
    text = None if "_commit" in answers else origin(folder, answers)
    rendered = files_below(".") - existing
    if text and ORIGIN not in existing:
        write_origin(text)
        rendered.add(ORIGIN)
    aside = take_back(OWNED_PATHS, answers, rendered)
    existing |= files_below(".") - rendered
    for path in filter(is_left_over, rendered):
        remove(path, existing)
    prune(OWNED_PATHS, answers, existing)
    fresh, differing = kept(folder, answers, existing)
    if text and ORIGIN in existing and fresh and not differing:
        write_origin(text)  # all is as this template has it
    os.remove(RECORD)
    if differing:
        print(told_of_kept(differing, fresh))
    if aside:
        print(
            "Edited since the interrupted run, or from other answers, and kept aside:"
        )
        print("\n".join(f"  {path}" for path in aside))
    if not text and "_commit" not in answers:
        print(UNTOLD)
    if not is_update(answers):
        print(next_steps(answers))


if __name__ == "__main__":
    main()

"""Keeps of the rendered project what was chosen, and removes the rest.

``OWNED_PATHS`` is the one place that says which answer owns which files. A file that
no answer owns is in every project. An owned file stays if an answer that was given
owns it, and goes if only other answers do; folders that this empties go too.

Two answers that fill the same place live side by side in the template under names of
their own: a pair (path in the template, path in the project) says where one lands.

Nothing that was there before generation is touched: ``pre_gen_project.py`` has left a
record of it, which is removed here.
"""

import json
import os

# What every way of serving has, whatever its framework.
SERVICE = [
    "benchmarks/__init__.py",
    "benchmarks/serving/",
    "config/serving_config.yaml",
    "docs/serving.md",
    "requirements-bench.txt",
    "scripts/bench_serve.py",
    "src/models/onnx_export.py",
    "src/models/onnx_graph.py",
    "src/models/onnx_trees.py",
    "src/models/pipeline_encoding.py",
    "src/serving/__init__.py",
    "src/serving/access_log.py",
    "src/serving/batch.py",
    "src/serving/encoder.py",
    "src/serving/engine.py",
    "src/serving/follower.py",
    "src/serving/keys.py",
    "src/serving/messages.py",
    "src/serving/metrics.py",
    "src/serving/middleware.py",
    "src/serving/onnx_engine.py",
    "src/serving/openapi.py",
    "src/serving/page.py",
    "src/serving/predictor.py",
    "src/serving/routing.py",
    "src/serving/rows.py",
    "src/serving/service.py",
    "src/serving/settings.py",
    "src/serving/sklearn_engine.py",
    "src/serving/source.py",
    "src/serving/static/",
    "src/serving/tables.py",
    "src/serving/values.py",
    "tests/fixtures/serving.py",
    "tests/integration/test_contract.py",
    "tests/unit/test_batch.py",
    "tests/unit/test_encoder.py",
    "tests/unit/test_bench_serve.py",
    "tests/unit/test_engines.py",
    "tests/unit/test_onnx_export.py",
    "tests/unit/test_openapi.py",
    "tests/unit/test_predictor.py",
    "tests/unit/test_rows.py",
    "tests/unit/test_service.py",
    "tests/unit/test_serving_follower.py",
    "tests/unit/test_serving_keys.py",
    "tests/unit/test_serving_metrics.py",
    "tests/unit/test_serving_middleware.py",
    "tests/unit/test_serving_page.py",
    "tests/unit/test_serving_routing.py",
    "tests/unit/test_serving_settings.py",
    "tests/unit/test_serving_source.py",
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
            "tests/integration/test_data_versioning.py",
        ],
    },
    "experiment_tracking": {
        "mlflow": [
            (
                "docs/experiment_tracking.mlflow.md",
                "docs/experiment_tracking.md",
            ),
            "src/models/mlflow_registry.py",
            "src/tracking/mlflow_connection.py",
            "src/tracking/mlflow_environment.py",
            "src/tracking/mlflow_tracker.py",
            "tests/unit/test_mlflow_registry.py",
            "tests/unit/test_mlflow_search.py",
            "tests/unit/test_mlflow_tracker.py",
        ],
        "wandb": [
            ("docs/experiment_tracking.wandb.md", "docs/experiment_tracking.md"),
            "src/tracking/wandb_environment.py",
            "src/tracking/wandb_tracker.py",
            "tests/unit/test_wandb_tracker.py",
        ],
    },
    "responsible_ai": {
        "yes": [
            "config/responsible_ai_config.yaml",
            "docs/responsible_ai.md",
            "src/audits/explanation.py",
            "src/audits/fairness.py",
            "src/audits/settings.py",
            "tests/integration/test_responsible_ai.py",
            "tests/unit/test_explanation.py",
            "tests/unit/test_fairness.py",
        ],
    },
    "serving": {
        "fastapi": [
            *SERVICE,
            ("benchmarks/constant_fastapi.py", "benchmarks/serving/constant.py"),
            "src/serving/asgi.py",
            "src/serving/server.py",
            "tests/unit/test_asgi.py",
            "tests/unit/test_server.py",
            ("src/serving/api_fastapi.py", "src/serving/api.py"),
            ("tests/unit/test_api_fastapi.py", "tests/unit/test_api.py"),
        ],
        "flask": [
            *SERVICE,
            "src/serving/wsgi.py",
            "tests/unit/test_wsgi.py",
            ("benchmarks/constant_flask.py", "benchmarks/serving/constant.py"),
            ("src/serving/api_flask.py", "src/serving/api.py"),
            ("tests/unit/test_api_flask.py", "tests/unit/test_api.py"),
        ],
        "bentoml": [
            *SERVICE,
            "src/serving/asgi.py",
            "src/serving/bentoml_environment.py",
            "src/serving/server.py",
            "tests/unit/test_asgi.py",
            "tests/unit/test_server.py",
            ("benchmarks/constant_bentoml.py", "benchmarks/serving/constant.py"),
            ("src/serving/api_bentoml.py", "src/serving/api.py"),
            ("tests/unit/test_api_bentoml.py", "tests/unit/test_api.py"),
        ],
    },
    "deployment": {
        "docker": [".dockerignore", "Dockerfile"],
    },
    "ci": {
        "github": [".github/"],
    },
}

# Written by pre_gen_project.py, which names it too.
RECORD = ".cookiecutter-existing.json"


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


def main():
    """Prune the project in the current folder."""
    # JSON never holds three quotes in a row, so that it fits between these.
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    with open(RECORD, encoding="utf-8") as file:
        existing = set(json.load(file))
    os.remove(RECORD)
    prune(OWNED_PATHS, answers, existing)


if __name__ == "__main__":
    main()

"""Every reference from one file to another, over the joint assignments of both ends."""

import posixpath
from collections import defaultdict
from dataclasses import dataclass, field

from pathspec import GitIgnoreSpec

from tests.combinations import mentions, python_code
from tests.combinations.facts import Fact, Name, gather
from tests.combinations.model import Model, Problem, shown

# Paths that are no part of the template: commands write them into a project.
WRITTEN = {
    "config/data_schema.yaml": "`make data` infers it from data of one's own",
    "docs/data_dictionaries/data_dictionary.md": "written with the schema",
    "dvc.lock": "written by `dvc repro`",
}

# Requirements that nothing imports.
UNIMPORTED = {
    "black": "run by `make lint`",
    "dvc": "run from the shell",
    "httpx2": "how the tests of the API ask it",
    "flake8": "run by `make lint`",
    "ipykernel": "runs the notebooks",
    "mypy": "run by `make lint`",
    "pandas-stubs": "types, read by mypy",
    "protobuf": "what skl2onnx writes with; its newest release does not do",
    "psycopg2-binary": "how an MLflow server reaches PostgreSQL",
    "pytest-cov": "an option of pytest",
    "pytest-xdist": "an option of pytest",
    "types-pyyaml": "types, read by mypy",
    "types-tqdm": "types, read by mypy",
    "uvicorn": "run from the shell",
}

# The same, of an environment apart.
UNIMPORTED_APART = {
    "kfp-kubernetes": "kfp.kubernetes, a part of kfp that comes apart",
    "numpy": "held where those that are imported work with it",
    "pyarrow": "how pandas reads Parquet",
    "pydantic": "held where Evidently finds the older one in it",
    "scikit-learn": "held where those that are imported work with it",
    "scipy": "held where those that are imported work with it",
    "statsmodels": "imported by NannyML, which does not ask for it",
}

# Variables that other programs read.
FOREIGN = {
    "AWS_ACCESS_KEY_ID": "read by DVC for a bucket",
    "AWS_SECRET_ACCESS_KEY": "read by DVC for a bucket",
    "DVC_NO_ANALYTICS": "read by DVC",
    "MLFLOW_DISABLE_TELEMETRY": "read by MLflow",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "read by Prefect",
    "ZENML_ANALYTICS_OPT_IN": "read by ZenML",
    "MLFLOW_TRACKING_URI": "read by MLflow",
    "WANDB_API_KEY": "read by wandb",
    "WANDB_ERROR_REPORTING": "read by wandb",
    "WANDB_MODE": "read by wandb",
}

KNOWN = {
    *(("path", path) for path in WRITTEN),
    *(("import", name) for name in UNIMPORTED),
    *(("import apart", name) for name in UNIMPORTED_APART),
    *(("setting", name) for name in FOREIGN),
}


@dataclass
class References:
    """What was found between the files.

    Attributes:
        problems: References that do not resolve, each with answers that show it.
        count: How many there are.
        joint: How many joint assignments were looked at.
    """

    problems: list[Problem] = field(default_factory=list)
    count: int = 0
    joint: int = 0


def check_references(model: Model) -> References:
    """Hold what the files need against what the files offer."""
    offered = gather(model, lambda *text: {*python_code.offers(*text)})
    for name, facts in gather(model, lambda *text: {*mentions.offers(*text)}).items():
        offered[name] += facts
    files = {landing for path in model.paths for landing in model.landings(path)}
    prefixes = {n.split("_")[0] + "_" for sort, n in offered if sort == "setting"}
    find = mentions.Needs(files, sorted(prefixes) or ["MLOPS_"])
    needed: dict[Name, list[Fact]] = defaultdict(list)
    for needs in (python_code.needs, find):
        for name, facts in gather(model, lambda *text: {*needs(*text)}).items():
            needed[name] += facts
    _offer_empty_files(model, offered)
    ignored = ignored_paths(model)
    found = References()
    for name, facts in needed.items():
        sort, path = name
        if name in KNOWN or sort == "path" and _is_written(path, ignored):
            continue
        for fact in facts:
            found.count += 1
            _resolve(model, name, fact, offered.get(name, []), found)
    return found


def _resolve(
    model: Model, name: Name, need: Fact, offers: list[Fact], found: References
) -> None:
    """Note a problem if there are answers with the need and without any offer."""
    questions = need.questions(model).union(*(o.questions(model) for o in offers))
    for assignment in model.questions.assignments(questions):
        found.joint += 1
        if need.holds(model, assignment) and not any(
            offer.holds(model, assignment) for offer in offers
        ):
            message = MISSING.get(name[0], "there is no {sort} `{name}`")
            message = message.format(sort=name[0], name=name[1])
            found.problems.append(Problem(need.landing, message, shown(assignment)))
            return


MISSING = {
    "requirement": "imports `{name}`, which requirements.txt does not name",
    "requirement apart": "imports `{name}`, which its own requirements do not name",
    "import apart": "names `{name}`, which what is run with it does not import",
    "import": "names `{name}`, which nothing imports or runs",
    "pin": "`{name}` is not pinned in constraints.txt",
    "setting": "`{name}` is a variable that nothing reads",
    "documented variable": "reads `{name}`, which .env.example does not name",
}


def _offer_empty_files(model: Model, offered: dict[Name, list[Fact]]) -> None:
    """Add the files that hold no text: binary ones, and empty modules."""
    for source in model.paths:
        if not model.pieces.get(source):
            for landing in model.landings(source):
                facts = [
                    *mentions.offers(landing, ""),
                    *python_code.offers(landing, ""),
                ]
                for name in facts:
                    offered.setdefault(name, []).append(Fact(source, landing))


def ignored_paths(model: Model) -> GitIgnoreSpec:
    """Return what the ignore files of the project say commands write into it."""
    lines = []
    for source, pieces in model.pieces.items():
        if posixpath.basename(source) == ".gitignore":
            folder = posixpath.dirname(source)
            for line in {t for p in pieces for t in p.texts.values()}:
                for pattern in filter(None, line.splitlines()):
                    lines.append(_anchored(pattern, folder))
    return GitIgnoreSpec.from_lines(lines)


def _anchored(pattern: str, folder: str) -> str:
    """Return a pattern of the ignore file in a folder as the root would write it."""
    if not folder or pattern.startswith("#"):
        return pattern
    negation = "!" if pattern.startswith("!") else ""
    pattern = pattern.removeprefix("!")
    between = "/" if "/" in pattern.rstrip("/") else "/**/"
    return f"{negation}/{folder}{between}{pattern.lstrip('/')}"


def _is_written(path: str, ignored: GitIgnoreSpec) -> bool:
    """Tell whether commands write a path, or files below it."""
    below = any(written.startswith(f"{path}/") for written in WRITTEN)
    return below or ignored.match_file(path) or ignored.match_file(f"{path}/")

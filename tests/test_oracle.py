"""What people see of a generated project, held still while its code is rewritten.

Projects are generated and lived in, from the data to a rollback, by commands, files
and HTTP alone. Each observation is a line of ``tests/oracle/<life>.json``: what the
template showed on 2026-11-30, when rows began to decide whether they are test rows
(until then, what it had shown before the rewrite of 2026-11) and, where ``ACCEPTED``
has a reason, what may be seen instead (``{"old": …, "new": …}``); numbers to three
digits::

    python -m pytest tests/test_oracle.py

Variables of the environment choose what is observed, and whether it is written down:

- ``ORACLE_TEMPLATE``: the folder of another template; this repository if unset.
- ``ORACLE_PYTHON``: an interpreter with all packages, instead of ``make setup``.
- ``ORACLE_RECORD``: anything writes a file that is missing, and adds to one that is
  there the differences that ``ACCEPTED`` allows; then the test compares.
"""

import csv
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from tests import generating, own_data
from tests.interpreters import interpreter
from tests.machine import environment, free_port, running_server

TEMPLATE = Path(os.environ.get("ORACLE_TEMPLATE") or generating.TEMPLATE)
RECORDED = Path(__file__).parent / "oracle"
LIVES = yaml.safe_load((RECORDED / "lives.yaml").read_text(encoding="utf-8"))
MISTAKES = yaml.safe_load((RECORDED / "mistakes.yaml").read_text(encoding="utf-8"))

# observations -> why the new code may show something else there
ENCODING = "scikit-learn's encoder, gaps without an indicator: the third digit may move"
ACCEPTED = {
    "* model/t*/*": ENCODING,  # train, test
    "api/*row *": ENCODING,
    "split/removed: quarantined": "rows that break the schema are not set aside",
    "dictionary": "it is one table",
}
# Not observed, because the rewrite changes it: where releases are kept (they are aliases
# of the registry now), wordings, bodies of refusals (each framework has its own form),
# intervals of metrics, and the files of the registry.

Seen = dict[str, Any]  # observation -> text, number, truth, or a list of these
Row = dict[str, Any]

# What tells the kind of a rule of the gate by its name; the others are thresholds.
KINDS = re.compile("baseline|champion|where|difference|$")
RECORD = "models/latest_model.json"


@dataclass(frozen=True)
class Project:
    """A generated project, the variables of its commands, and what was seen in it."""

    folder: Path
    variables: dict[str, str]
    is_mistaken: bool = False
    seen: Seen = field(default_factory=dict)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of bash as a person would, whatever comes of it."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=os.environ | self.variables,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def do(self, command: str) -> None:
        """Run a command that has to work."""
        done = self.run(command)
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"

    def observe_status(self, name: str, command: str) -> None:
        """Observe the exit status of a command."""
        self.seen[name] = self.run(command).returncode

    def text(self, path: str) -> str:
        """Return the content of a file."""
        return (self.folder / path).read_text(encoding="utf-8")

    def json(self, path: str) -> Any:
        """Return the content of a JSON file."""
        return json.loads(self.text(path))

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file."""
        return hashlib.sha256((self.folder / path).read_bytes()).hexdigest()


@dataclass(frozen=True)
class Api:
    """A service that runs, rows to ask it about, and what was seen of it."""

    url: str
    rows: list[Row]
    seen: Seen

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Return status and body of an answer; what is no text is sent as JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        data = None if body is None else text.encode()
        named = {"Content-Type": "application/json"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urlopen(Request(self.url + path, data, named), timeout=60) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def predict(self, rows: Any, **headers: str) -> tuple[str, list[list[Any]]]:
        """Return which version answers: predictions, probabilities, unknown columns."""
        status, content = self.ask("/v1/predict", rows, **headers)
        assert status == 200, content
        told, keys = json.loads(content), ("prediction", "probabilities", "unknown")
        answers = [[digits(a[k]) for k in keys if k in a] for a in told["predictions"]]
        return told["model_version"], answers

    def observe_status(self, name: str, path: str, body: Any = None, **h: str) -> None:
        """Observe the status of an answer."""
        self.seen[f"api/{name}"] = self.ask(path, body, **h)[0]

    def observe_answers(self, name: str) -> str:
        """Observe the answers to the rows, and return which version answers."""
        version, answers = self.predict(self.rows)
        for number, answer in enumerate(answers):
            self.seen[f"api/{name}/row {number}"] = answer
        self.seen[f"api/{name}/version"] = version
        return version

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Return when something holds; fail after a minute."""
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline, self.ask("/ready")
            time.sleep(0.1)


def digits(value: Any) -> Any:
    """Return a value as it is recorded: numbers with more digits than are compared."""
    if isinstance(value, dict):
        return [digits(inner) for _, inner in sorted(value.items())]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def same(expected: Any, found: Any) -> bool:
    """Tell whether a value is as recorded, or as accepted; numbers to three digits."""
    if isinstance(expected, dict):
        return any(same(value, found) for value in expected.values())
    if isinstance(expected, list) and isinstance(found, list):
        pairs = zip(expected, found, strict=False)
        return len(expected) == len(found) and all(same(*pair) for pair in pairs)
    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(expected, found, rel_tol=1e-3, abs_tol=5e-4)
    return type(expected) is type(found) and bool(expected == found)


def write_own_data(path: Path) -> None:
    """Write what a user might bring: codes, a leak, duplicates, rows without target."""
    header, *rows = own_data.write_csv(path).read_text(encoding="utf-8").splitlines()
    depots = ["00501", "00544", "06390", "99950"]
    for number, row in enumerate(rows):
        others, _, target = row.rpartition(",")
        target_or_none = "" if number in (7, 70) else target
        rows[number] = f"{depots[number % 4]},{target}-1,{others},{target_or_none}"
    lines = [f"depot,invoice class,{header}", *rows, rows[10], rows[20], rows[20]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_project(life: str, output: Path) -> Project:
    """Generate a project, and install it unless there is a Python that has all."""
    write_own_data(output / "own.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generating, "TEMPLATE", TEMPLATE)
        patch.setattr(generating, "FOLDER", TEMPLATE / generating.FOLDER.name)
        generating.clean_template.cache_clear()
        folder = generating.generate(output, **LIVES[life]["answers"])
    generating.clean_template.cache_clear()
    if shared := os.environ.get("ORACLE_PYTHON"):
        shutil.copy(folder / ".env.example", folder / ".env")
    else:
        Project(folder, environment(interpreter("3.12"))).do("make setup")
    python = Path(shared or folder / ".venv/bin/python")
    path = f"{python.parent}:{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    variables = own | LIVES[life]["variables"]
    return Project(folder, variables, LIVES[life]["mistakes"])


@contextmanager
def serving(project: Project, rows: list[Row], **settings: str) -> Iterator[Api]:
    """Run the service of a project until the block ends."""
    port = free_port()
    settings |= {"SERVING_PORT": str(port), "SERVING_REFRESH_SECONDS": "0.2"}
    url = f"http://127.0.0.1:{port}"
    command = ["bash", "-c", "exec python -m src.serving.api"]
    log = project.folder.parent / f"server-{port}.log"
    variables = project.variables | settings
    with running_server(command, project.folder, variables, f"{url}/health", log):
        yield Api(url, rows, project.seen)


def observe_mistakes(project: Project, when: str) -> None:
    """Observe how mistakes are answered: by status 1 and one line that names them."""
    for name, mistake in MISTAKES[when].items() if project.is_mistaken else ():
        command = f"export MLOPS_LOGGING__LEVEL=ERROR\n{mistake['run']}"
        if path := mistake.get("damaged"):
            damage = f"cp {path} ../kept; echo >> {path}; trap 'mv ../kept {path}' EXIT"
            command = f"{damage}\n{command}"
        done = project.run(command)
        line, seen = done.stderr.strip(), f"exit {done.returncode}: {done.stderr}"
        is_told = line.startswith("error: ") and mistake["names"] in line
        is_refused = is_told and done.returncode == 1 and "\n" not in line
        project.seen[f"mistake/{name}"] = "refused in one line" if is_refused else seen


def observe_data(project: Project) -> None:
    """Observe what becomes of the data: schema, dictionary and split."""
    is_inferred = not (project.folder / "config/data_schema.yaml").exists()
    project.do("make data")
    manifest = project.json("data/processed/manifest.json")
    for name, told in manifest["files"].items():
        rows, digest = told["rows"], project.digest(f"data/processed/{name}")
        project.seen[f"split/{name}"] = [rows, digest]
    for reason, rows in manifest["removed"].items():
        project.seen[f"split/removed: {reason}"] = rows
    dictionary = "docs/data_dictionaries/data_dictionary.md"
    project.seen["dictionary"] = project.digest(dictionary)
    if is_inferred:
        project.seen["dictionary"] = project.text(dictionary).split("\n")
        schema = yaml.safe_load(project.text("config/data_schema.yaml"))
        for name, column in schema["columns"].items():
            rules = {key: column[key] for key in sorted(column) if key != "description"}
            project.seen[f"schema/{name}"] = str(rules)


def train(project: Project, kind: str = "") -> str:
    """Train the configured model, or one of another type, and return its digest."""
    chosen = f"MLOPS_MODEL__TYPE={kind} MLOPS_MODEL__PARAMS={{}} " if kind else ""
    project.do(f"{chosen}make train")
    return project.digest("models/latest_model.joblib")


def observe_model(project: Project) -> None:
    """Observe how good the trained model is, and which files there are."""
    project.do("make evaluate")
    record, report = project.json(RECORD), project.json("reports/evaluation.json")
    seen: Seen = {"verdict": report["verdict"], "features": record["features"]}
    for name, value in record["metrics"]["train"].items():
        seen[f"train/{name}"] = digits(value)
    for place, key in (("test", "metrics"), ("baseline", "baseline")):
        for name, score in report[key].items():
            seen[f"{place}/{name}"] = digits(score["value"])
    for part in report["slices"]:
        seen[f"rows where {part['column']} is {part['value']}"] = part["rows"]
    seen["left out"] = sorted(record["left_out"])
    find = "find models/latest_model.* reports data/features -name '[a-z]*.*' -type f"
    seen["files"] = sorted(project.run(find).stdout.split())
    for name, value in seen.items():
        project.seen[f"{record['model_type']} model/{name}"] = value


def observe_promotion(project: Project, name: str, options: str = "") -> None:
    """Observe the status of a promotion, and how many rules of each kind passed."""
    decision = project.folder / "reports/gate.json"
    decision.unlink(missing_ok=True)
    done = project.run(f"python scripts/promote.py --why x {options}")
    assert "Traceback" not in done.stderr, done.stderr
    project.seen[f"gate/{name}/exit"] = done.returncode
    for rule in json.loads(decision.read_text())["rules"] if decision.exists() else ():
        kind = KINDS.findall(rule["name"].lower())[0] or "threshold"
        found = f"gate/{name}/{kind} {'passed' if rule['passed'] else 'failed'}"
        project.seen[found] = project.seen.get(found, 0) + 1


def rows_to_ask(project: Project) -> list[Row]:
    """Return test rows as a request holds them; one has as many gaps as there are."""
    columns = project.json(RECORD)["schema"]["columns"]
    read: Any = {
        "integer": int,
        "number": float,
        "boolean": lambda word: word == "True",
    }
    rows: list[Row] = []
    for row in csv.DictReader(project.text("data/processed/test.csv").splitlines()):
        values = {n: read.get(columns[n]["type"], str)(t) for n, t in row.items() if t}
        rows.append({n: values.get(n) for n in row if columns[n]["role"] == "feature"})
    return [*rows[:4], max(rows[4:], key=lambda row: [*row.values()].count(None))]


def observe_refusals(project: Project, api: Api) -> None:
    """Observe how wrong requests are answered, and whether 422 names the column."""
    row, path, batch = api.rows[0], "/v1/predict", "/v1/predict/batch"
    used = {n: project.json(RECORD)["schema"]["columns"][n] for n in row}
    number = next(n for n, c in used.items() if c["type"] in ("integer", "number"))
    least = next(n for n, c in used.items() if c["min"] is not None)
    wrong = {
        "text for a number": (number, row | {number: "x"}),
        "unknown column": ("nonsense", row | {"nonsense": 1}),
        "beyond a limit": (least, row | {least: used[least]["min"] - 1}),
    }
    for name in [n for n, c in used.items() if c["max_missing"] == 0][:1]:
        without = {key: value for key, value in row.items() if key != name}
        wrong["required column left out"] = (name, without)
        wrong["required column null"] = (name, row | {name: None})
    for mistake, (column, body) in wrong.items():
        status, content = api.ask(path, body)
        told = json.dumps(json.loads(content), ensure_ascii=False)
        api.seen[f"api/refused: {mistake}"] = [status, column in told]
    api.observe_status("refused: broken JSON", path, "{")
    api.observe_status("refused: no rows", path, [])
    api.observe_status("refused: more rows than allowed", path, [row] * 1001)
    api.observe_status("refused: GET", path)
    api.observe_status("refused: unknown path", "/v1/nothing")
    api.observe_status("refused: batch of JSON", batch, api.rows)
    api.observe_status("refused: other CSV", batch, "a\n1\n", Content_Type="text/csv")


def observe_batch(project: Project, api: Api) -> None:
    """Observe the answers to a CSV file."""
    body = project.run("head -21 data/processed/test.csv").stdout
    status, content = api.ask("/v1/predict/batch", body, Content_Type="text/csv")
    header, *rows = csv.reader(content.splitlines())
    api.seen["api/batch"] = [status, len(rows), header]
    for number, row in enumerate(rows[:5]):
        values = [float(text) if text[-1].isdigit() else text for text in row]
        api.seen[f"api/batch row {number}"] = [digits(value) for value in values]


def observe_staging(project: Project, rows: list[Row]) -> None:
    """Observe a service of what was released, for callers with a key."""
    # An environment was a folder; it is an alias of the registry now.
    is_alias = "\nalias:" in project.text("config/serving_config.yaml")
    place = {"SERVING_MODEL_PATH": "deployments/staging"}
    settings = {"SERVING_ALIAS": "staging"} if is_alias else place
    settings |= {"SERVING_API_KEY": "secret", "SERVING_MAX_BODY_BYTES": "2000"}
    path, key = "/v1/predict", {"X_API_Key": "secret"}
    with serving(project, rows, **settings) as api:
        api.wait_for(lambda: api.ask("/ready")[0] == 200)
        api.seen["api/staging/row 0"] = api.predict(rows[0], **key)[1][0]
        api.observe_status("refused: no key", path, rows[0])
        api.observe_status("refused: wrong key", path, rows[0], X_API_Key="other")
        api.observe_status("refused: model without a key", "/model")
        api.observe_status("health without a key", "/health")
        api.observe_status("refused: too large", path, rows * 9, **key)


def observe_life(project: Project) -> None:
    """Live in a project, from the data to a rollback."""
    observe_mistakes(project, "before there are data")
    observe_data(project)
    project.seen["trained twice, one model"] = train(project) == train(project)
    observe_model(project)
    observe_mistakes(project, "with a model, without a champion")
    rows = rows_to_ask(project)
    with serving(project, rows) as api:
        api.observe_status("health before a champion", "/health")
        api.observe_status("ready before a champion", "/ready")
        api.observe_status("predict before a champion", "/v1/predict", rows[0])
        observe_promotion(project, "dry run", "--dry-run")
        api.observe_status("ready after a dry run", "/ready")
        observe_promotion(project, "first")
        api.wait_for(lambda: api.ask("/ready")[0] == 200)
        first = api.observe_answers("first")
        observe_batch(project, api)
        observe_refusals(project, api)
        observe_promotion(project, "the same again")
        release = "make release ENV=staging"
        project.observe_status("release/first", release)
        project.observe_status("release/again, says so", f"{release} | grep already")
        observe_mistakes(project, "with one champion, released once")
        train(project, "dummy")
        observe_promotion(project, "dummy, dry run", "--dry-run")
        observe_promotion(project, "dummy")
        train(project, "linear")
        observe_model(project)
        observe_promotion(project, "linear")
        observe_promotion(project, "linear, overridden", "--override")
        api.wait_for(lambda: api.predict(rows)[0] != first)
        linear = api.observe_answers("linear")
        project.observe_status("release/linear", release)
        project.observe_status("release/back", "make release-rollback ENV=staging")
        observe_staging(project, rows)
        project.observe_status("gate/rollback", "make rollback WHY=x")
        api.wait_for(lambda: api.predict(rows)[0] != linear)
        api.observe_answers("after the rollback")
        project.do("make card-check")


def is_accepted(observation: str) -> bool:
    """Tell whether there is a reason why the new code may show something else."""
    return any(fnmatchcase(observation, pattern) for pattern in ACCEPTED)


def recorded(life: str) -> Seen:
    """Return what is to be seen in a life; nothing if nobody has written it down."""
    path = RECORDED / f"{life}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def record(life: str, found: Seen) -> None:
    """Write down what was seen; beside what is there, only what is accepted."""
    known = recorded(life) or found
    for name in known | found:
        old, new = known.get(name), found.get(name)
        if is_accepted(name) and new is not None and not same(old, new):
            old = old["old"] if isinstance(old, dict) else old
            known[name] = {"old": old, "new": new}
    each = [json.dumps({n: v}, ensure_ascii=False)[1:-1] for n, v in known.items()]
    text = "{\n" + ",\n".join(each) + "\n}\n"
    (RECORDED / f"{life}.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("life", LIVES)
def test_what_may_be_seen_instead_has_a_reason(life: str) -> None:
    changed = [n for n, value in recorded(life).items() if isinstance(value, dict)]
    assert [name for name in changed if not is_accepted(name)] == []


@pytest.mark.slow
@pytest.mark.parametrize("life", LIVES)
def test_people_see_what_they_saw_before(life: str, folder: Path) -> None:
    project = make_project(life, folder)
    observe_life(project)
    if os.environ.get("ORACLE_RECORD"):
        record(life, project.seen)
    expected, found = recorded(life), project.seen
    differences = [
        f"{name}\n  expected: {expected.get(name)}\n  found:    {found.get(name)}"
        for name in expected | found
        if not same(expected.get(name), found.get(name))
    ]
    count = f"{len(differences)} of {len(found)} observations of {TEMPLATE} differ:\n"
    assert not differences, count + "\n".join(differences)

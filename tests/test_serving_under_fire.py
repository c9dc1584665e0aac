"""A generated service under load: asked with the champion swapped, ended, attacked.

A project is generated for each framework, installed and trained in; what answers is
its own server, and what asks counts each request. Callers that send a body byte by byte
are not among the attackers: it is for a proxy before the service to give up on them.
"""

import asyncio
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests import load, machine, readme
from tests.generating import generate
from tests.interpreters import interpreter
from tests.machine import environment, free_port

pytestmark = pytest.mark.slow

LEAN = {
    "data_versioning": "none",
    "experiment_tracking": "none",
    "responsible_ai": "no",
    "deployment": "none",
    "ci": "none",
}
# framework -> requests while the champion is swapped
SWAPPED = {"fastapi": 80_000, "flask": 15_000, "bentoml": 15_000}
# framework -> its description for programs, what says that it is ready, its bodies
DOCUMENTS = {"bentoml": "docs.json"}
READY = {"bentoml": "readyz"}
WRAPPED = {"bentoml": lambda row: {"rows": [row]}}
CONNECTIONS = 8
MALFORMED = 10_000
# framework -> requests during which the memory must not grow by more than that
REMEMBERED = {"fastapi": 200_000, "flask": 40_000, "bentoml": 40_000}
GROWTH_MB = 5

# In processes of the project, with its packages.
REGISTER = """
import json
import pandas as pd
from pathlib import Path
from src.models.artifact import load_model
from src.models.registry import Registry
from src.utils.config import load_settings

registry = Registry(load_settings())
answers = {}
for name in ("linear", "forest"):
    path = Path("trained") / name / "latest_model.joblib"
    version = registry.register(path)
    if name == "linear":
        registry.promote(version, "the first", None)
    pipeline, record = load_model(path)
    features = [
        name for name, column in record["schema"]["columns"].items()
        if column["role"] == "feature"
    ]
    frame = pd.read_csv("data/processed/test.csv").head(40)[features]
    labels = [str(label) for label in pipeline.classes_]
    answers[version.number] = [
        dict(zip(labels, shares)) for shares in pipeline.predict_proba(frame).tolist()
    ]
rows = json.loads(frame.to_json(orient="records"))
print(json.dumps({"rows": rows, "answers": answers}))
"""
SWAP = """
import time
from src.models.registry import Registry
from src.utils.config import load_settings

registry = Registry(load_settings())
while True:
    registry.promote(registry.version(2), "swapped", registry.at("champion"))
    time.sleep(1)
    registry.rollback("swapped back")
    time.sleep(1)
"""

# All checks of schemathesis but two.
CHECKS = """
[checks]
# Some values are read more widely than described, such as a number for a category.
negative_data_rejection.enabled = false

[[operations]]
include-path = "/v1/predict/batch"
# The document cannot say what a table holds, not even that a CSV is not empty.
checks.positive_data_acceptance.enabled = false
"""


@dataclass(frozen=True)
class Project:
    """A project with a linear model, the champion, and a forest.

    Attributes:
        folder: Where it is.
        framework: What serves.
        bodies: Requests about rows of the test set.
        answers: Version -> the probabilities of each row, by scikit-learn.
    """

    folder: Path
    framework: str
    bodies: list[bytes]
    answers: dict[str, list[dict[str, float]]]

    def start(self, code: str) -> subprocess.Popen[str]:
        """Run code in a process of the project."""
        return subprocess.Popen(
            [self.folder / ".venv/bin/python", "-c", code], cwd=self.folder, text=True
        )


@dataclass(frozen=True)
class Server:
    """A service that is ready."""

    process: subprocess.Popen[bytes]
    port: int

    def memory_mb(self) -> float:
        """Return what its processes hold in memory."""
        pages = 0
        for pid in self._pids():
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def _pids(self) -> Iterator[int]:
        """Yield the processes of its group."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended in the meantime
                continue
            if int(fields[2]) == self.process.pid:
                yield int(stat.parent.name)


@pytest.fixture(scope="module", params=SWAPPED)
def project(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project of each framework, removed at the end: an environment is large."""
    output = tmp_path_factory.mktemp(request.param)
    folder = generate(output, serving=request.param, **LEAN)
    train = "MLOPS_PATHS__MODELS=trained/{} MLOPS_MODEL__TYPE={} "
    train += "MLOPS_MODEL__PARAMS='{{}}' .venv/bin/python src/training/train.py"
    commands = [
        "make setup",
        "make data",
        train.format("linear", "linear"),
        train.format("forest", "random_forest"),
    ]
    readme.run(commands, folder, environment(interpreter("3.12")))
    registered = subprocess.run(
        [folder / ".venv/bin/python", "-c", REGISTER],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert registered.returncode == 0, registered.stderr
    known = json.loads(registered.stdout.splitlines()[-1])
    wrap = WRAPPED.get(request.param, lambda row: row)
    bodies = [json.dumps(wrap(row)).encode() for row in known["rows"]]
    yield Project(folder, request.param, bodies, known["answers"])
    shutil.rmtree(output, ignore_errors=True)


@contextmanager
def serving(project: Project) -> Iterator[Server]:
    """Run the service of a project until the block ends."""
    port = free_port()
    variables = {"SERVING_PORT": str(port), "SERVING_REFRESH_SECONDS": "0.2"}
    command = [project.folder / ".venv/bin/python", "-m", "src.serving.api"]
    url = f"http://127.0.0.1:{port}/{READY.get(project.framework, 'ready')}"
    log = project.folder / "server.log"
    with machine.running_server(
        command, project.folder, variables, url, log
    ) as process:
        yield Server(process, port)


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[Server]:
    """The service of the project, for tests that leave it as it is."""
    with serving(project) as running:
        yield running


def check_answers(project: Project, tally: load.Tally) -> None:
    """Each request was answered, as the model that the answer names would."""
    assert not tally.lost, tally.lost[:5]
    assert sum(tally.answered.values()) == tally.sent
    for kind in tally.answered:
        assert kind.status == 200, kind
        (prediction,) = json.loads(kind.body)["predictions"]
        expected = project.answers[kind.version][kind.request]
        assert prediction["probabilities"].keys() == expected.keys()
        for label, share in expected.items():
            found = prediction["probabilities"][label]
            assert math.isclose(found, share, abs_tol=1e-4), (kind, expected)


def test_no_request_is_lost_or_answered_wrongly_while_the_champion_is_swapped(
    project: Project, server: Server
) -> None:
    requests = [load.request(body) for body in project.bodies]
    total = SWAPPED[project.framework]
    swapping = project.start(SWAP)
    try:
        tally = asyncio.run(load.send_all(server.port, requests, total, CONNECTIONS))
        assert swapping.poll() is None
    finally:
        swapping.kill()
        swapping.wait()
    assert tally.sent == total
    check_answers(project, tally)
    seen = {version: 0 for version in project.answers}
    for kind, times in tally.answered.items():
        seen[kind.version] += times
    assert min(seen.values()) > total / 10, seen
    assert tally.switches >= 3 * CONNECTIONS, tally.switches


def test_what_the_document_says_holds_for_whatever_is_asked(
    project: Project, server: Server
) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = shutil.which("schemathesis", path=path)
    assert command, "schemathesis is not installed; `make setup` installs it"
    examples = "60" if project.framework == "fastapi" else "15"
    (project.folder / "schemathesis.toml").write_text(CHECKS)
    address = f"http://127.0.0.1:{server.port}/"
    address += DOCUMENTS.get(project.framework, "openapi.json")
    options = ["--max-examples", examples, "--seed", "1"]
    options += ["--phases", "examples,coverage,fuzzing", "--continue-on-failure"]
    done = subprocess.run(
        [command, "run", address, *options],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_others_are_answered_beside_vanishing_and_malformed_callers(
    project: Project, server: Server
) -> None:
    steady = load.request(project.bodies[0])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as attackers:
        attack = attackers.submit(
            load.attack, server.port, project.bodies[0], MALFORMED
        )
        answered = 0
        while not attack.done():
            answered += len(asyncio.run(load.latencies(server.port, steady, 2, 100)))
        statuses, disconnections = attack.result()
    assert answered > 0
    assert sum(statuses.values()) == MALFORMED
    assert set(statuses) <= {400, 413, 415, 422}, statuses
    assert disconnections > 50
    ready = READY.get(project.framework, "ready")
    urllib.request.urlopen(f"http://127.0.0.1:{server.port}/{ready}", timeout=5).close()


def test_memory_stays_flat_over_many_requests(project: Project) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say how much memory a process holds")
    requests = [load.request(body) for body in project.bodies]
    with serving(project) as server:

        def send(total: int) -> float:
            sent = load.send_all(server.port, requests, total, CONNECTIONS)
            assert not asyncio.run(sent).lost
            return server.memory_mb()

        before = send(20_000)
        after = send(REMEMBERED[project.framework])
    assert after - before < GROWTH_MB, (before, after)


def test_the_end_of_the_service_loses_no_request_under_load(project: Project) -> None:
    requests = [load.request(body) for body in project.bodies]

    with serving(project) as server:

        async def end_under_load() -> load.Tally:
            ended = asyncio.Event()

            async def end() -> None:
                await asyncio.sleep(2)
                ended.set()
                server.process.send_signal(signal.SIGTERM)

            ending = asyncio.create_task(end())
            tally = await load.send_all(
                server.port, requests, 10**9, CONNECTIONS, ended.is_set
            )
            await ending
            return tally

        tally = asyncio.run(end_under_load())
        assert server.process.wait(timeout=30) in (0, -signal.SIGTERM)
    assert tally.sent > 100
    check_answers(project, tally)

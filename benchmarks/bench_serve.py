"""`make bench-serve`: requests a second of each service, beside its framework's limit.

Generates a project for each framework into build/, trains a linear model and a forest
on its sample, runs each service of ``SERVICES`` with both on one core, and loads it
from the other. What the projects serve has everything on: key, log, metrics.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.load import Target, full, partial, pin

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "benchmarks"
BUILD = ROOT / "build" / "bench-serve"
MODELS = {"linear": "linear", "forest": "random_forest"}
START_SECONDS = 120
SHARE = 0.8  # of the full load, at which the latency is measured
VARIABLES = {
    "SERVING_API_KEY": "key-of-the-benchmark",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLOPS_TRACKING__ENABLED": "false",
}


class Service(NamedTuple):
    """A service: the project that runs it, how, where it predicts, the key of rows."""

    serving: str
    command: str
    path: str = "/predict"
    rows: str | None = None  # if None, a body is a row


API = "python -m src.serving.api"
FASTAPI = "python {here}/baseline_fastapi.py"
FLASK = "gunicorn --worker-class gthread --threads 16 --keep-alive 75 --bind {address}"
BENTOML = "bentoml serve --host 127.0.0.1 --port {port} --working-dir {here}"
MLFLOW = "mlflow models serve --port {port} --workers 1 --env-manager local"
WATCHED = "FastAPI: with monitoring"
OURS, LIMIT, FRAME = "FastAPI: the project", "FastAPI: a constant", "FastAPI: a frame"
SERVICES = {
    OURS: Service("fastapi", API, "/v1/predict"),
    WATCHED: Service("watched", API, "/v1/predict"),
    LIMIT: Service("fastapi", f"{FASTAPI} constant {{model}} {{port}}"),
    FRAME: Service("fastapi", f"{FASTAPI} frame {{model}} {{port}}"),
    "Flask: the project": Service("flask", API, "/v1/predict"),
    "Flask: a constant": Service("flask", f"{FLASK} baseline_flask:create_app()"),
    "BentoML: the project": Service("bentoml", API, "/v1/predict", "rows"),
    "BentoML: a constant": Service(
        "bentoml", f"{BENTOML} baseline_bentoml:Constant", rows="rows"
    ),
    "mlflow models serve": Service(
        "fastapi",
        f"{MLFLOW} --model-uri {{folder}}/mlflow",
        "/invocations",
        "dataframe_records",
    ),
}
# A project that differs from the default by more than its framework.
ANSWERS = {"watched": ["serving=fastapi", "monitoring=evidently"]}
# How many times as fast as another ours must be, and its latency.
FASTER = {LIMIT: 0.5, FRAME: 40.0}
P99_MS = 15.0


def main() -> None:
    """Measure what the command line names; say what came out, and what has to hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--only", default="", help="services whose name has this")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk makes the load; `apt-get install wrk` or `brew install wrk`")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each start would take seconds
    chosen = {n: s for n, s in SERVICES.items() if arguments.only in n}
    shutil.rmtree(BUILD, ignore_errors=True)
    for serving in dict.fromkeys(["fastapi", *(s.serving for s in chosen.values())]):
        print(f"a project with {serving}", flush=True)
        command = ["cookiecutter", ROOT, "--no-input", "--output-dir", BUILD / serving]
        answers = ANSWERS.get(serving, [f"serving={serving}"])
        subprocess.run([*command, *answers], check=True)
        subprocess.run(["make", "--quiet", "setup"], cwd=project(serving), check=True)
    found = []
    for model, kind in MODELS.items():
        print(f"{model}: training", flush=True)
        train(model, kind)
        for name, service in chosen.items():
            print(f"{model}: {name}", flush=True)
            figures = measure(service, BUILD / model, arguments.seconds)
            found.append({"service": name, "model": model, **figures})
    print("", *table(found), "", sep="\n")
    checks = check(found)
    for line, _ in checks:
        print(line)
    results = BUILD / "serving.json"
    results.write_text(json.dumps({"services": found}, indent=2))
    run(HERE / "draw.py", results, results.with_suffix(".png"))
    print(f"{results}\n{results.with_suffix('.png')}")
    sys.exit(not all(met for _, met in checks))


def project(serving: str) -> Path:
    """Return the folder of the project with a framework."""
    return BUILD / serving / "my-ml-project"


def environment(serving: str, **variables: str) -> dict[str, str]:
    """Return the environment of a command that runs in a project."""
    folder = project(serving)
    paths = {
        "PATH": f"{folder}/.venv/bin{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}{os.pathsep}{HERE}",
    }
    return os.environ | VARIABLES | paths | variables


def run(*command: object, **variables: str) -> None:
    """Run a script by the Python of the project with FastAPI, in its folder."""
    folder = project("fastapi")
    done = subprocess.run(
        [folder / ".venv/bin/python", *map(str, command)],
        cwd=folder,
        env=environment("fastapi", **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{command[0]}:\n{done.stderr}")


def train(model: str, kind: str) -> None:
    """Train a model into a folder of its own, with rows to ask about."""
    config = project("fastapi") / "config" / "model_config.yaml"
    config.write_text(f"model:\n  type: {kind}\n")
    for step in (
        "scripts/data_download",
        "src/data/preprocessing",
        "src/training/train",
    ):
        run(f"{step}.py", MLOPS_PATHS__MODELS=str(BUILD / model))
    run(HERE / "rows.py", BUILD / model, "data/processed/train.csv")


def measure(service: Service, folder: Path, seconds: float) -> dict[str, float]:
    """Start a service, load it fully and at a part of that, and end it.

    Args:
        service: Which one.
        folder: Of the model.
        seconds: How long each load lasts; a third of it warms up.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bodies = folder / "bodies.jsonl"
    rows = json.loads((folder / "rows.json").read_text())
    lines = [json.dumps({service.rows: [row]} if service.rows else row) for row in rows]
    bodies.write_text("\n".join(lines) + "\n")
    headers = {
        "Content-Type": "application/json",
        "X-API-Key": VARIABLES["SERVING_API_KEY"],
    }
    target = Target(f"http://127.0.0.1:{port}{service.path}", headers, bodies)
    with running(service, folder, port, target):
        full(target, seconds / 3)
        load = full(target, seconds)
        part = partial(target, SHARE * load.rate, seconds)
    return {"rate": load.rate, "p99_ms": load.p99_ms, "part_p99_ms": part.p99_ms}


@contextmanager
def running(
    service: Service, folder: Path, port: int, target: Target
) -> Iterator[None]:
    """Run a service on the first core until the block ends."""
    model = folder / "latest_model.joblib"
    command = service.command.format(
        here=HERE, folder=folder, model=model, port=port, address=f"127.0.0.1:{port}"
    )
    variables = {"SERVING_MODEL_PATH": str(model), "SERVING_PORT": str(port)}
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/usr/bin/env", *command.split()],  # which looks in the PATH of `env`
            cwd=project(service.serving),
            env=environment(service.serving, **variables),
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: pin(last=False),
        )
    try:
        body = target.bodies.read_bytes().splitlines()[0]
        request = urllib.request.Request(target.url, body, target.headers)
        deadline, problem = time.monotonic() + START_SECONDS, None
        while time.monotonic() < deadline and process.poll() is None:
            try:
                urllib.request.urlopen(request, timeout=START_SECONDS).close()
                break
            except OSError as error:
                problem = error
                time.sleep(0.1)
        else:
            sys.exit(f"{command}: {problem}\n{log.read_text()[-1500:]}")
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(timeout=15)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


def table(found: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a table, with each rate beside its framework's limit."""
    lines = [f"{'':32}{'requests/s':>10}{'of limit':>10}{'p99 ms':>8}{'at 80 %':>8}"]
    rates = {(one["model"], one["service"]): one["rate"] for one in found}
    for one in found:
        limit = one["service"].partition(":")[0] + ": a constant"
        beside = rates.get((one["model"], limit))
        share = f"{one['rate'] / beside:.2f}" if beside else ""
        lines.append(
            f"{one['model'] + ', ' + one['service']:32}{one['rate']:>10,.0f}{share:>10}"
            f"{one['p99_ms']:>8.1f}{one['part_p99_ms']:>8.1f}"
        )
    return lines


def check(found: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Return a line for each target, and whether it is met."""
    rates = {(one["model"], one["service"]): one["rate"] for one in found}
    checks = []
    for ours in (one for one in found if one["service"] == OURS):
        model, p99 = ours["model"], ours["part_p99_ms"]
        for other, least in FASTER.items():
            if rate := rates.get((model, other)):
                times = ours["rate"] / rate
                text = f"{model}, {times:.2f} times {other}, at least {least:g}"
                checks.append((text, times >= least))
        text = f"{model}, p99 at {SHARE:.0%} of the load {p99:.1f} ms, below {P99_MS:g}"
        checks.append((text, p99 < P99_MS))
    return [(f"{'met' if met else 'NOT MET':8}{text}", met) for text, met in checks]


if __name__ == "__main__":
    main()

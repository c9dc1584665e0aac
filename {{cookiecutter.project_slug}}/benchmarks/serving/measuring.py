"""All figures of one service with one model."""

import shlex
import socket
import subprocess
from pathlib import Path

from benchmarks.serving.batch import over_http, table_of
from benchmarks.serving.load import LoadError, Target, full, partial
from benchmarks.serving.report import Measured
from benchmarks.serving.rows import sample, schema_of
from benchmarks.serving.server import running
from benchmarks.serving.services import Service
from src.utils.config import PROJECT_ROOT

ROWS = 200
SHARE = 0.8


def measure(
    name: str,
    service: Service,
    python: Path,
    model: tuple[str, Path],
    rows_csv: Path,
    folder: Path,
    seconds: float,
) -> Measured:
    """Start a service, load it fully and at a part of that, and end it.

    Args:
        name: The name of the service.
        service: What is measured.
        python: Of the environment that has its packages.
        model: The name of the model, and its file.
        rows_csv: The rows that are asked about.
        folder: An empty one, for its files.
        seconds: How long each load lasts; a third of it warms up.

    Raises:
        LoadError: If it cannot be started, or does not answer each request.
    """
    kind, path = model
    places = {
        "python": str(python),
        "model": str(path),
        "test": str(rows_csv),
        "folder": str(folder),
        "port": str(_free_port()),
    }

    def filled(text: str) -> str:
        return text.format_map(places)

    variables = {key: filled(text) for key, text in service.variables.items()}
    bodies = folder / "bodies.jsonl"
    bodies.write_text(service.bodies(sample(rows_csv, schema_of(path), ROWS)))
    url = f"http://127.0.0.1:{places['port']}{service.path}"
    target = Target(url, service.headers, bodies)
    if service.prepare:
        _run([filled(word) for word in shlex.split(service.prepare)])
    command = [filled(word) for word in shlex.split(service.command)]
    log = folder / "server.log"
    with running(command, variables, target, log):
        pass  # the first start compiles modules and fills the caches of the disk
    with running(command, variables, target, log) as server:
        full(target, seconds / 3)
        load = full(target, seconds)
        part = partial(target, SHARE * load.rate, seconds)
        memory = server.memory_mb()  # before the libraries for tables are there
        batch_rate = None
        if service.batch_path:
            batch_url = f"http://127.0.0.1:{places['port']}{service.batch_path}"
            table = table_of(path, rows_csv)
            batch_rate = over_http(batch_url, service.headers, table)
        return Measured(
            service=name,
            title=service.title,
            model=kind,
            rate=load.rate,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            part_rate=part.rate,
            part_p99_ms=part.p99_ms,
            memory_mb=memory,
            start_seconds=server.start_seconds,
            batch_rate=batch_rate,
        )


def _run(command: list[str]) -> None:
    """Run what a service needs before it starts."""
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LoadError(f"{shlex.join(command)}:\n{done.stderr[-1500:]}")


def _free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Measure how fast predictions are answered, beside other ways of answering them.

    python -m scripts.bench_serve --seconds 3 --models linear

Trains a linear model and a forest on the project's data in a folder of its own, then
runs each service of ``benchmarks/serving/services.py`` with both, on one core, and
loads it from another. Writes ``serving_benchmark.json`` and ``.png`` to the reports.
"""

import argparse
import platform
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.serving.batch import in_process
from benchmarks.serving.load import LoadError, check_wrk, cores
from benchmarks.serving.measuring import measure
from benchmarks.serving.report import Measured, checks, content, draw, table
from benchmarks.serving.services import OURS, services
from benchmarks.serving.training import MODELS, prepare, trained
from src.utils.cli import run
from src.utils.config import load_settings
from src.utils.files import write_json

NOT_INSTALLED = "not installed; `make bench-serve` puts it into .venv-bench"


def main() -> None:
    """Measure what the command line names, and say what came out.

    Raises:
        ProjectError: If wrk is missing, or the data or the service cannot be used.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of each load (default: 10)"
    )
    parser.add_argument(
        "--skip",
        nargs="*",
        default=[],
        choices=list(services()),
        metavar="NAME",
        help=f"leave out: {', '.join(services())}",
    )
    parser.add_argument(
        "--models", nargs="*", default=list(MODELS), choices=list(MODELS), help="which"
    )
    arguments = parser.parse_args()
    check_wrk()
    settings = load_settings()
    with tempfile.TemporaryDirectory() as folder:
        found, batches, missing = compare(arguments, Path(folder))
    report = settings.paths.reports / "serving_benchmark.json"
    machine = _machine(arguments.seconds)
    write_json(report, content(found, batches, missing, machine))
    draw(found, report.with_suffix(".png"))
    print("", *table(found), "", *checks(found, batches), sep="\n")
    for name, reason in missing.items():
        print(f"not measured: {name}: {reason}")
    print(f"\n{_said(machine)}\n{report}\n{report.with_suffix('.png')}")


def compare(
    arguments: argparse.Namespace, folder: Path
) -> tuple[list[Measured], dict[str, dict[str, float]], dict[str, str]]:
    """Measure each service with each model.

    Args:
        arguments: Of the command line.
        folder: An empty one.

    Returns:
        What was measured, the rows of tables in a second by model, and why what was
        not measured was not.
    """
    print("preparing the data")
    settings = prepare(load_settings(), folder)
    found: list[Measured] = []
    batches: dict[str, dict[str, float]] = {}
    missing: dict[str, str] = {}
    rows = settings.paths.processed / "train.csv"
    for model in arguments.models:
        print(f"{model}: training")
        path = trained(settings, model)
        batches[model] = {"in process": in_process(path, rows)}
        for name, service in services().items():
            if name in arguments.skip:
                continue
            python = service.python()
            if python is None:
                missing[name] = NOT_INSTALLED
                continue
            print(f"{model}: {service.title}", flush=True)
            place = folder / f"{model}-{name}"
            place.mkdir()
            try:
                found.append(
                    measure(
                        name,
                        service,
                        python,
                        (model, path),
                        rows,
                        place,
                        arguments.seconds,
                    )
                )
            except LoadError as error:
                missing[name] = str(error)
    for one in found:
        if one.service == OURS and one.batch_rate is not None:
            batches[one.model]["over HTTP"] = one.batch_rate
    return found, batches, missing


def _machine(seconds: float) -> dict[str, Any]:
    """Return on what was measured, and how long."""
    server, load = cores()
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        "server_core": server,
        "load_core": load,
        "seconds": seconds,
    }


def _processor() -> str:
    """Return what the machine calls its processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.processor() or platform.machine()


def _said(machine: dict[str, Any]) -> str:
    """Say on what was measured, and what makes it less certain."""
    text = f"{machine['processor']}, Python {machine['python']}; one worker, "
    if machine["server_core"] is None:
        return text + "not pinned to a core, which this system does not offer"
    if machine["server_core"] == machine["load_core"]:
        return text + "on the one core that makes the load, too: far less than it can"
    return text + f"on core {machine['server_core']}, load from {machine['load_core']}"


if __name__ == "__main__":
    run(main)

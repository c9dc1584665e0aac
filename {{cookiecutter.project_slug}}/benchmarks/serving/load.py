"""Load from wrk, which is fast enough to be no part of what it measures."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from src.utils.errors import ProjectError

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 32
# At a part of the load, each connection asks about every so many milliseconds.
PERIOD_MS = 15.0
PROBES = 3
PROBED = 100  # requests of each of them, or those of a second


class LoadError(ProjectError):
    """A server cannot be measured."""


@dataclass(frozen=True)
class Load:
    """What wrk saw.

    Attributes:
        rate: Answers in a second.
        p50_ms: The latency that half of the answers had at most.
        p99_ms: The latency that 99 of 100 answers had at most.
    """

    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Target:
    """Where requests go, and what they hold.

    Attributes:
        url: The address.
        headers: Sent with every request.
        bodies: A file with a body in each line; they are sent in turn.
    """

    url: str
    headers: Mapping[str, str]
    bodies: Path


def check_wrk() -> None:
    """Refuse to go on without wrk.

    Raises:
        LoadError: If it is not installed; the message says how to get it.
    """
    if shutil.which("wrk") is None:
        raise LoadError(
            "wrk, which makes the load, is not installed; get it with "
            "`sudo apt-get install wrk` or `brew install wrk`"
        )


def cores() -> tuple[int | None, int | None]:
    """Return the core of the server and that of the load; None where none is chosen.

    With one core they share it, and each takes time from the other.
    """
    if not hasattr(os, "sched_setaffinity"):  # macOS, for example
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def pin(core: int | None) -> None:
    """Keep this process, and those that it starts, on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def full(target: Target, seconds: float) -> Load:
    """Return what a server does when every connection asks as soon as it can.

    Raises:
        LoadError: If a request is not answered, or answered with an error.
    """
    return _wrk(target, seconds, CONNECTIONS, 0)


def partial(target: Target, rate: float, seconds: float) -> Load:
    """Return what a server does at a rate that it can keep up with.

    Args:
        target: Where requests go.
        rate: Requests in a second, which come at random moments.
        seconds: How long.

    Raises:
        LoadError: If a request is not answered, or answered with an error.
    """
    connections = min(max(2, round(rate * PERIOD_MS / 1000)), 100)
    period = 1000 * connections / rate
    pause = period
    probed = min(max(1.0, PROBED / rate), seconds)
    for _ in range(PROBES):  # the time of an answer is a part of the period
        probe = _wrk(target, probed, connections, pause)
        pause = max(0.1, pause + period - 1000 * connections / probe.rate)
    return _wrk(target, seconds, connections, pause)


def _wrk(target: Target, seconds: float, connections: int, pause: float) -> Load:
    """Run wrk once, on the core of the load."""
    headers = {"Content-Type": "application/json", **target.headers}
    command = ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(1, round(seconds))}s"]
    command += ["--timeout", "60s", "--script", str(SCRIPT)]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    command += [target.url, "--", str(target.bodies), f"{pause:.2f}"]
    _, core = cores()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: pin(core),
    )
    try:
        found = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise LoadError(f"wrk: {done.stderr or done.stdout}") from None
    if found["errors"] or not found["requests"]:
        raise LoadError(
            f"{target.url}: {found['requests']} answers and {found['errors']} errors "
            f"in {found['seconds']:.0f} s; expected answers alone"
        )
    rate = found["requests"] / found["seconds"]
    return Load(rate, found["p50_ms"], found["p99_ms"])

"""Load from wrk, which is fast enough to be no part of what it measures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 32
# At a part of the load, each connection sends a request every so many milliseconds.
PERIOD_MS = 15.0
PROBES = 3


class Target(NamedTuple):
    """Where requests go, and a file with the body of one in each line."""

    url: str
    headers: dict[str, str]
    bodies: Path


class Load(NamedTuple):
    """Answers in a second, and the latency that 99 of 100 had at most."""

    rate: float
    p99_ms: float


def pin(last: bool) -> None:
    """Keep this process on the first or the last core, where a system offers that."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[-1 if last else 0]})


def full(target: Target, seconds: float) -> Load:
    """Return what a server does when every connection asks as soon as it can."""
    return _wrk(target, seconds, CONNECTIONS, 0)


def partial(target: Target, rate: float, seconds: float) -> Load:
    """Return what a server does at a rate that it can keep up with.

    Args:
        target: Where requests go.
        rate: Requests in a second, which come at random moments.
        seconds: How long.
    """
    connections = min(max(2, round(rate * PERIOD_MS / 1000)), 100)
    pause = period = 1000 * connections / rate
    for _ in range(PROBES):  # the time of an answer is a part of the period
        probe = _wrk(target, min(max(1.0, 100 / rate), seconds), connections, pause)
        pause = max(0.1, pause + period - 1000 * connections / probe.rate)
    return _wrk(target, seconds, connections, pause)


def _wrk(target: Target, seconds: float, connections: int, pause: float) -> Load:
    """Run wrk once, on the last core."""
    command = ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(2, round(seconds))}s", "--timeout", "60s"]
    command += ["--script", str(SCRIPT)]
    for name, value in target.headers.items():
        command += ["--header", f"{name}: {value}"]
    command += [target.url, "--", str(target.bodies), f"{pause:.2f}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: pin(last=True),
    )
    if done.returncode:
        sys.exit(f"wrk: {done.stderr or done.stdout}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["errors"] or not found["requests"]:
        answers, errors = found["requests"], found["errors"]
        sys.exit(f"{target.url}: {answers} answers and {errors} errors")
    return Load(found["requests"] / found["seconds"], found["p99_ms"])

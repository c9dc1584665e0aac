"""A server that is measured: started on its own core, asked, and ended."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.load import LoadError, Target, cores, pin
from src.utils.config import PROJECT_ROOT

START_SECONDS = 120
ASK_AGAIN_SECONDS = 0.005


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        pid: The process that was started; it may have started others.
        start_seconds: How long after its start it gave the first prediction.
    """

    pid: int
    start_seconds: float

    def memory_mb(self) -> float | None:
        """Return what it and the processes below it hold; None if nobody tells."""
        if not Path("/proc/self/status").exists():
            return None
        return sum(_resident_mb(pid) for pid in _tree(self.pid))


@contextmanager
def running(
    command: Sequence[str], variables: Mapping[str, str], target: Target, log: Path
) -> Iterator[Server]:
    """Run a server until the block ends.

    Args:
        command: What starts it.
        variables: For its environment, above those of this process.
        target: A request that it answers with 200 once it is ready.
        log: Where its output goes.

    Raises:
        LoadError: If it ends, or does not answer in time; with the end of its log.
    """
    core, _ = cores()
    # Compiled modules are what people have; without them every start is slow.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    # Some of them start others, which are beside their Python.
    path = f"{Path(command[0]).parent}{os.pathsep}{inherited['PATH']}"
    paths = {"PATH": path, "PYTHONPATH": str(PROJECT_ROOT)}
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env={**inherited, **paths, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: pin(core),
        )
        try:
            _wait(process, target, log)
            yield Server(process.pid, time.perf_counter() - start)
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], target: Target, log: Path) -> None:
    """Return once the server answers a prediction."""
    with target.bodies.open("rb") as file:
        body = file.readline()
    headers = {"Content-Type": "application/json", **target.headers}
    request = urllib.request.Request(target.url, body, headers)
    answer = "none"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(request, timeout=START_SECONDS).close()
            return
        except urllib.error.HTTPError as error:
            answer = f"{error.code} {error.read(500).decode(errors='replace')}"
            if error.code not in (404, 502, 503):  # asking again would not help
                break
        except OSError:
            pass
        time.sleep(ASK_AGAIN_SECONDS)
    end = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise LoadError(f"{target.url}: no prediction; the answer was: {answer}\n{end}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            continue


def _tree(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))


def _resident_mb(pid: int) -> float:
    """Return the memory of a process that is not swapped out."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0

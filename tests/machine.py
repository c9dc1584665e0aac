"""What a command finds on the machine where it runs: variables, ports, servers."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import readme


def environment(python: Path) -> dict[str, str]:
    """Return the variables of a person whose ``python`` is the one given."""
    path = os.environ["PATH"]
    return {
        "PATH": f"{python.parent}:{path}",
        "UV_PYTHON": str(python),
        # No: pip compiles nothing, as uv, and what is imported is compiled then.
        "PIP_NO_COMPILE": "0",
        "GIT_AUTHOR_NAME": "Tester",
        "GIT_AUTHOR_EMAIL": "tester@example.com",
        "GIT_COMMITTER_NAME": "Tester",
        "GIT_COMMITTER_EMAIL": "tester@example.com",
    }


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when a server answers; fail with its log if it ends, or takes minutes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server does not answer:\n{log.read_text()[-3000:]}")


@contextmanager
def running_server(
    command: Sequence[str | Path],
    folder: Path,
    variables: Mapping[str, str],
    url: str,
    log: Path,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a folder until the block ends; at its begin, ``url`` answers."""
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(url, process, log)
        yield process
    finally:
        readme.stop_group(process.pid)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

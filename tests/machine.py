"""What a command finds on the machine where it runs: variables, and free ports."""

import os
import socket
from pathlib import Path


def environment(python: Path) -> dict[str, str]:
    """Return the variables of a person whose ``python`` is the one given."""
    path = os.environ["PATH"]
    return {
        "PATH": f"{python.parent}:{path}",
        "UV_PYTHON": str(python),
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

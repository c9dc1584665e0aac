"""Finds the Python that a test names, wherever a machine keeps it."""

import shutil
import subprocess
import warnings
from pathlib import Path

import pytest


def interpreter(version: str, or_before: bool = False) -> Path:
    """Return a working interpreter of Python ``version``, such as ``3.12``.

    Looked for on the path and among pyenv's and uv's; uv may download one. The test
    that asks is skipped where none can be had, or, with ``or_before``, warned and given
    the version before.
    """
    pyenv = Path.home() / ".pyenv" / "versions"
    candidates = [
        *sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python")),
        shutil.which(f"python{version}"),
        from_uv("find", version),
    ]
    for candidate in filter(None, candidates):
        if works(candidate, version):
            return Path(candidate)
    subprocess.run(["uv", "python", "install", "--quiet", version], check=False)
    found = from_uv("find", version)
    if found and works(found, version):
        return Path(found)
    if or_before:
        before = f"3.{int(version.removeprefix('3.')) - 1}"
        message = f"no Python {version} here, so run on {before}"
        warnings.warn(message, stacklevel=2)
        return interpreter(before)
    pytest.skip(f"no Python {version} on this machine, and none could be installed")


def from_uv(*command: str) -> str:
    """Return what ``uv python …`` prints; nothing if it fails."""
    result = subprocess.run(
        ["uv", "python", *command, "--no-python-downloads"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip()


def works(candidate: str, version: str) -> bool:
    """Tell whether ``candidate`` starts and is of ``version``."""
    result = subprocess.run(
        [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode == 0 and result.stdout.strip() == version

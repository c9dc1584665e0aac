"""Programs that are in no package of Python: of this machine, or out of Debian's."""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tests.generating import TEMPLATE

UNPACKED = TEMPLATE / "build/debian"  # nothing is installed
# A new machine does not know of any package before it has asked.
DOWNLOAD = 'apt-get download "$0" || { apt-get update && apt-get download "$0"; }'
# Some programs want what came with them in /usr/share; it is there for them alone.
SHARING = 'mount --bind "$0" /usr/share && exec "$@"'


@cache
def program(package: str, *names: str) -> str:
    """Return where a program is; fetch the package that has it, if it is nowhere.

    Args:
        package: Of Debian.
        names: What the program may be called.
    """
    folder = UNPACKED / package
    path = os.pathsep.join([os.environ["PATH"], str(folder / "usr/bin")])
    if not any(shutil.which(name, path=path) for name in names):
        fetch(package, folder)
    found = (shutil.which(name, path=path) for name in names)
    return next(filter(None, found))


def sharing(package: str, *names: str) -> list[str]:
    """Return how to start a program that reads what its package has in /usr/share."""
    found = program(package, *names)
    if not found.startswith(str(UNPACKED)):
        return [found]
    share = str(UNPACKED / package / "usr/share")
    alone = ["unshare", "--map-root-user", "--mount", "sh", "-c", SHARING, share]
    try:
        done = subprocess.run([*alone, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode:
        pytest.skip(f"{package} is not installed, and /usr/share cannot be lent to it")
    return [*alone, found]


def fetch(package: str, folder: Path) -> None:
    """Unpack a package of Debian into a folder; skip the test where that cannot be."""
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=UNPACKED) as name:
        for command in (
            ["sh", "-c", DOWNLOAD, package],
            ["sh", "-c", "dpkg -x *.deb unpacked"],
        ):
            try:
                done = subprocess.run(
                    command, cwd=name, capture_output=True, text=True, check=False
                )
            except FileNotFoundError as error:
                pytest.skip(f"{package} is not on this machine: {error}")
            if done.returncode:
                said = done.stderr[-300:]
                pytest.skip(f"{package} is not on this machine, nor to be had: {said}")
        try:
            Path(name, "unpacked").rename(folder)
        except OSError:  # another process has done the same
            assert folder.is_dir()

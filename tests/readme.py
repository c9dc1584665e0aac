"""The commands of a generated README, taken from its fenced blocks and run."""

import os
import re
import shlex
import shutil
import subprocess
import warnings
from pathlib import Path

FENCED = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# These do not end by themselves: they run behind the commands that follow them.
SERVERS = ("make serve",)
# These need a Docker engine, which not every machine has.
ENGINE = "make image"


def blocks(readme: Path) -> list[str]:
    """Return the fenced bash blocks of ``readme``, in order."""
    return FENCED.findall(readme.read_text(encoding="utf-8"))


def runnable(commands: list[str]) -> list[str]:
    """Return the blocks that this machine can run, with a warning for the others."""
    engine = (
        shutil.which("docker")
        and not subprocess.run(
            ["docker", "info"], capture_output=True, check=False
        ).returncode
    )
    left_out = [] if engine else [b for b in commands if b.startswith(ENGINE)]
    for block in left_out:
        warnings.warn(f"no Docker engine here, so not run: {block}", stacklevel=2)
    return [block for block in commands if block not in left_out]


def script(commands: list[str]) -> str:
    """Return one bash script that stops at the first block that fails."""
    lines = ["set -euo pipefail"]
    for block in commands:
        first_line = block.strip().splitlines()[0]
        lines.append(f"echo {shlex.quote(f'--- {first_line}')}")
        if block.strip() in SERVERS:
            lines.append(f"{block.strip()} &")
        else:
            lines.append(block.strip())
    return "\n".join(lines)


def run(commands: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run the blocks in ``folder`` as one person would, in one shell.

    Args:
        commands: Blocks of bash, in order.
        folder: Where the shell starts.
        environment: Variables on top of this process's own.

    Returns:
        What the commands printed.

    Raises:
        AssertionError: If one fails; the message ends with what was printed last.
    """
    log = folder.parent / f"{folder.name}.log"
    with log.open("w", encoding="utf-8") as output:
        shell = subprocess.Popen(
            ["bash", "-c", script(commands)],
            cwd=folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = shell.wait(timeout=2400)
        finally:
            stop_group(shell.pid)
    printed = log.read_text(encoding="utf-8")
    assert status == 0, f"exit {status} after:\n{printed[-6000:]}"
    return printed


def stop_group(leader: int) -> None:
    """End what the shell left running: the servers among its commands."""
    try:
        os.killpg(leader, 15)
    except ProcessLookupError:
        return

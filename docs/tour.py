"""Runs the tour and writes what its commands printed into docs/tour.md.

The page has fenced blocks of the kind ``console``: lines that begin with ``$`` are run,
in order, in one shell, in a folder where the tour's project was generated; the lines
below them are what was printed. ``python -m docs.tour`` renews them.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parents[1]
PAGE = TEMPLATE / "docs/tour.md"
HOME = "/home/you"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "--- next command ---"


def written() -> str:
    """Return the page as it would be with what the commands print now."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = [
        [line for line in block.splitlines() if line.startswith("$ ")]
        for block in BLOCK.findall(text)
    ]
    printed = iter(run([line[2:] for block in blocks for line in block]))
    shown = iter(
        "".join(f"{line}\n{next(printed)}" for line in block) for block in blocks
    )
    return BLOCK.sub(lambda _: f"```console\n{next(shown)}```", text)


def run(commands: list[str]) -> list[str]:
    """Generate the project of the tour, run the commands, and return their output.

    Args:
        commands: For one shell, which starts in the folder that holds the project.

    Returns:
        What each command printed, standard error included.
    """
    # A variable of the `make` or the environment that runs this is not the reader's.
    foreign = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH", "VIRTUAL_ENV")
    environment = {k: v for k, v in os.environ.items() if k not in foreign}
    environment |= {"UV_PYTHON": sys.executable, "TERM": "dumb"}
    script = f"\necho '{MARK}'\n".join(commands)
    with tempfile.TemporaryDirectory() as folder:
        answers = {"project_name": "Census income"}
        cookiecutter(
            str(TEMPLATE), no_input=True, extra_context=answers, output_dir=folder
        )
        shell = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        text = shell.stdout.replace(str(Path(folder).resolve()), HOME)
    return text.split(f"{MARK}\n")


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")

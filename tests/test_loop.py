"""The closed loop, lived through by `make demo-loop`: from a drift to a better model."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.generating import TEMPLATE


@pytest.mark.slow
def test_the_loop_closes_without_a_lost_request(folder: Path) -> None:
    picture = folder / "loop.svg"
    command = ["make", "demo-loop", f"LOOP={folder / 'project'}", f"PICTURE={picture}"]
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=TEMPLATE, capture_output=True, text=True, check=False
    )
    print(f"{time.monotonic() - start:.0f} seconds")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    story = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
    assert story["version"] == [1] * 6 + [2] * 4
    assert story["verdict"] == ["calm"] + ["alarm"] * 5 + ["calm"] * 4
    assert story["why"].startswith("retraining: drift of 'age'")
    assert story["asked"] > 100 and story["lost"] == 0
    before, during, after = (
        sum(story["score"][part]) / len(story["score"][part])
        for part in (slice(0, 1), slice(1, 6), slice(6, 10))
    )
    assert during < before - 0.1 and after > during + 0.05
    assert picture.read_text(encoding="utf-8").count("<svg") == 1

"""A retraining that is killed anywhere can be run again, and two never run at once."""

from itertools import count

import pytest

from scripts import retrain as command
from scripts.monitor import monitor
from src.data.preprocessing import load_processed
from src.models.registry import Registry
from src.utils.config import Settings
from src.utils.errors import DataError
from tests.fixtures.synthetic import TARGET
from tests.proofs.killing import interrupted
from tests.unit.test_monitoring import answer, promoted, tell

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
STEPS = ("ingest", "write_rows", "preprocess", "train", "evaluate_files")
STEPS += ("promote", "keep_reference")


@pytest.mark.parametrize("again", [True, False])
def test_killed_anywhere_it_can_be_run_again(promoted: Settings, again: bool) -> None:
    rows = load_processed(promoted, "test")
    answer(promoted, rows.assign(age=rows["age"] + 30))
    tell(promoted, rows[TARGET])
    steps: list[tuple[object, str]] = [(command, name) for name in STEPS]
    steps += [(Registry, "register"), (Registry, "promote")]
    for number in count():
        is_killed = interrupted(
            lambda: command.retrain(promoted, "killed", again), steps, number
        )
        champion = Registry(promoted).at("champion")
        assert champion and champion.number in (1, 2)
        if not is_killed:
            break
    assert number > 2 * len(STEPS)
    assert champion.number == 2
    data = Registry(promoted).record(champion)["data"]
    assert sum(file["rows"] for file in data["files"].values()) == 2000 + len(rows)
    answer(promoted, rows.assign(age=rows["age"] + 30), version="2")
    assert monitor(promoted)["rows"] == len(rows)


def test_only_one_runs_at_a_time(promoted: Settings) -> None:
    with command.alone(promoted):
        with pytest.raises(DataError, match="another retraining is running"):
            with command.alone(promoted):
                pass
    with command.alone(promoted):  # the first has ended
        pass

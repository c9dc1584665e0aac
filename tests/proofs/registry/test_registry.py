"""The registry, whichever it is, among processes that are killed or write at once."""

import multiprocessing
import random
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from src.models.registry import Registry
from src.utils.errors import DataError
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import save_stand_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
KILLS = 6
WRITERS = 3
ROUNDS = 4
# Processes are forked from one that has imported the registry, and has no threads.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["src.models.registry"])
Opener = Callable[[], Registry]


@pytest.fixture
def opened(make_project: ProjectMaker) -> Opener:
    """A function that opens the registry anew, in any process."""
    opener = partial(Registry, make_project())
    opener()
    return opener


def saved(path: Path) -> Path:
    """Save a model that no other path has."""
    if not path.exists():
        save_stand_in(path)
    return path


def check(registry: Registry) -> None:
    """The history leads to what the aliases name, and every version is whole."""
    for alias in ("champion", "staging"):
        named: list[int] = []
        for event in registry.history():
            if event.alias == alias and event.action == "rollback":
                named.pop()
                assert named[-1] == event.version
            elif event.alias == alias:
                named.append(event.version)
        found = registry.at(alias)
        assert named[-1:] == ([found.number] if found else [])
    versions = registry.versions()
    assert [v.number for v in versions] == list(range(1, len(versions) + 1))
    assert len({v.sha256 for v in versions}) == len(versions)
    for version in versions:
        assert registry.fetch(version).exists()


def work_without_end(opened: Opener, paths: list[Path], begun: Connection) -> None:
    """Register, promote, release and roll back, until the process is killed."""
    registry = opened()
    begun.send(True)
    for path in cycle(paths):
        version = registry.register(path, {"gate": {"name": path.stem}})
        registry.promote(version, "next", registry.at("champion"))
        registry.promote(version, "next", registry.at("staging"), "staging")
        if path == paths[-1]:
            registry.rollback("back")
            registry.rollback("back", "staging")


def test_a_process_killed_at_any_moment_leaves_a_registry_that_works_on(
    opened: Opener, tmp_path: Path
) -> None:
    ours = opened()
    start = time.monotonic()
    for number in range(2):
        version = ours.register(saved(tmp_path / f"first-{number}.joblib"))
        ours.promote(version, "first", ours.at("champion"))
    once = time.monotonic() - start
    moments = random.Random(5)
    events = by_us = len(ours.history())
    for kill in range(KILLS):
        paths = [saved(tmp_path / f"{kill}-{number}.joblib") for number in range(3)]
        here, there = PROCESSES.Pipe()
        process = PROCESSES.Process(
            target=work_without_end, args=(opened, paths, there)
        )
        process.start()
        here.recv()
        time.sleep(moments.uniform(0, 3 * once))
        while kill == 0 and len(ours.history()) == events:
            time.sleep(0.01)  # at least one does something, however slow it is
        process.kill()
        process.join()
        process.close()
        here.close()
        there.close()

        registry = opened()
        check(registry)
        before = registry.at("champion")
        version = registry.register(saved(tmp_path / f"after-{kill}.joblib"))
        registry.promote(version, "after a kill", before)
        assert registry.rollback("back") == (before, version)
        by_us += 3
        events = len(registry.history())
        check(registry)
    assert events > by_us  # those that were killed did something


def promote_repeatedly(opened: Opener, path: Path) -> int:
    """Promote a model whenever another is champion; return how often."""
    registry, done = opened(), 0
    version = registry.register(path)
    while done < ROUNDS:
        current = registry.at("champion")
        if current == version:
            time.sleep(0.001)
            continue
        try:
            registry.promote(version, "at once", current)
        except DataError as error:
            assert "by now" in str(error)
        else:
            done += 1
    return done


def look(opened: Opener, until: Connection) -> int:
    """Fetch the champion, as a service does, until told to end; return how often."""
    registry, looks = opened(), 0
    while not until.poll():
        version = registry.at("champion")
        assert version is not None and registry.fetch(version).exists()
        looks += 1
    return looks


def test_promotions_at_the_same_time_follow_each_other(
    opened: Opener, tmp_path: Path
) -> None:
    registry = opened()
    first = registry.register(saved(tmp_path / "first.joblib"))
    registry.promote(first, "first", None)
    paths = [saved(tmp_path / f"{number}.joblib") for number in range(WRITERS)]
    here, there = PROCESSES.Pipe()
    with PROCESSES.Pool(WRITERS + 1) as pool:
        reader = pool.apply_async(look, (opened, there))
        writers = [
            pool.apply_async(promote_repeatedly, (opened, path)) for path in paths
        ]
        # The last writer may wait for another champion than its own model forever.
        deadline = time.monotonic() + 60
        while not all(w.ready() for w in writers) and time.monotonic() < deadline:
            at = registry.at("champion")
            if at != first and sum(w.ready() for w in writers) == WRITERS - 1:
                try:
                    registry.promote(first, "again", at)
                except DataError:
                    pass
            time.sleep(0.01)
        assert [writer.get(10) for writer in writers] == [ROUNDS] * WRITERS
        here.send(True)
        assert reader.get(10) > 0
    promotions = [e for e in registry.history() if e.why == "at once"]
    assert len(promotions) == WRITERS * ROUNDS
    check(registry)


def test_a_long_reason_is_kept_as_far_as_the_registry_can(
    opened: Opener, tmp_path: Path
) -> None:
    registry = opened()
    version = registry.register(saved(tmp_path / "1.joblib"))
    registry.promote(version, 'é"\n' * 3000, None)
    assert registry.history()[-1].why.startswith('é"\n' * 600)
    check(registry)


def test_documents_stay_with_their_version(opened: Opener, tmp_path: Path) -> None:
    registry = opened()
    paths = [saved(tmp_path / f"{n}.joblib") for n in (1, 2)]
    first, second = (registry.register(p, {"gate": {"of": p.stem}}) for p in paths)
    registry.register(registry.fetch(first), {"gate": {"passed": "é" * 50_000}})
    assert registry.document(first, "gate") == {"passed": "é" * 50_000}
    assert registry.document(second, "gate") == {"of": "2"}
    assert registry.document(first, "evaluation") is None


def test_a_stale_promotion_is_refused(opened: Opener, tmp_path: Path) -> None:
    registry = opened()
    paths = [saved(tmp_path / f"{n}.joblib") for n in (1, 2)]
    first, second = (registry.register(path) for path in paths)
    registry.promote(first, "better", None)
    with pytest.raises(DataError, match="champion: version 1 by now"):
        registry.promote(second, "better", None)
    registry.promote(second, "better", first)
    registry.promote(second, "better", first)  # once more: it is done already
    assert (registry.at("champion"), len(registry.history())) == (second, 4)

"""The figures of the benchmark of the service beside their targets; no server runs."""

from pathlib import Path

import pytest

from benchmarks.serving.report import Measured, checks, content, draw, table
from benchmarks.serving.services import CONSTANT, FRAME, OURS
from scripts import bench_serve
from src.utils.errors import ProjectError

MACHINE = {"server_core": 0, "load_core": 1, "processor": "one", "python": "3"}


def measured(service: str, rate: float, part_p99_ms: float = 2.0) -> Measured:
    return Measured(
        service,
        f"the {service}",
        "linear",
        rate,
        1.0,
        3.0,
        rate / 2,
        part_p99_ms,
        90,
        0.5,
    )


def test_each_figure_stands_beside_its_target() -> None:
    found = [measured(OURS, 900.0), measured(CONSTANT, 1000.0), measured(FRAME, 90.0)]
    batches = {"linear": {"in process": 2e6, "over HTTP": 1e5}}
    verdicts = {check.name: check.met for check in checks(found, batches)}
    assert verdicts == {
        "linear, rate beside the limit": True,
        "linear, rate beside the frame": False,
        "linear, p99 at 50% of the load": True,
        "linear, start to first prediction": True,
        "linear, memory": True,
        "linear, a batch of 10,000 rows in process": True,
        "linear, a batch of 10,000 rows over HTTP": False,
    }


def test_a_latency_above_its_limit_is_not_met() -> None:
    (late,) = [c for c in checks([measured(OURS, 9.0, 11.0)], {}) if "p99" in c.name]
    assert str(late).startswith("NOT MET linear, p99 at 50% of the load: 11 ms")


def test_the_table_names_every_service_and_the_picture_is_drawn(tmp_path: Path) -> None:
    found = [measured(name, 100.0) for name in (OURS, CONSTANT, FRAME)]
    text = "\n".join(table(found))
    assert all(one.title in text for one in found)
    draw(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000
    kept = content(found, {}, {"limit": "not installed"}, MACHINE)
    assert [one["service"] for one in kept["services"]] == [OURS, CONSTANT, FRAME]
    assert kept["not_measured"] == {"limit": "not installed"}


def test_without_the_load_generator_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["bench_serve"])
    with pytest.raises(ProjectError, match="wrk"):
        bench_serve.main()

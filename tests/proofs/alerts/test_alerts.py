"""What alerts and dashboard ask for is what a real service and `make monitor` tell."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from scripts.monitor import gauges
from src.models.registry import Registry
from src.utils.config import PROJECT_ROOT
from tests.fixtures.serving import ROW
from tests.proofs.promql import Series, expressions, unmet
from tests.proofs.contract.test_contract import PREDICT, Server, body, eventually
from tests.proofs.contract.test_contract import follows, make_project

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CHECKS = [("drift", "age"), ("performance", "roc_auc")]
DECISION: dict[str, Any] = {
    "rows": 300,
    "labels": 200,
    "version": 1,
    "version_created": "2026-11-01T00:00:00+00:00",
    "checks": [
        {"check": check, "column": column, "effect": 0.1, "p_value": 0.0, "alarm": True}
        for check, column in CHECKS
    ],
}


def series_of(text: str) -> Iterator[Series]:
    for family in text_string_to_metric_families(text):
        yield from ((sample.name, sample.labels) for sample in family.samples)


def test_each_selector_finds_a_series_in_the_real_metrics(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    Registry(project.settings).versions()  # else both processes make its database
    server = Server.start(project, tmp_path / "log")
    try:
        with server.client() as client:
            ask = partial(client.post, PREDICT, json=body(ROW))
            eventually(lambda: ask().status_code == 503, server.log)  # without a model
            project.promote(0)
            eventually(partial(follows, server, "1"), server.log)
            assert ask().is_success
            text = client.get("/metrics").text
    finally:
        server.process.terminate()
        server.process.wait(60)
    series = [*series_of(text), *series_of(generate_latest(gauges(DECISION)).decode())]
    recorded, asked = expressions(PROJECT_ROOT / "monitoring")
    missing = {name: unmet(asked[name], series, recorded | {"up"}) for name in asked}
    assert {name: found for name, found in missing.items() if found} == {}
    assert len(asked) > 20

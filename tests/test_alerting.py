"""Alerts and dashboard of generated projects, held by the real programs.

Prometheus, Alertmanager and the node exporter come from Debian's packages where this
machine has none. The slow test induces a drift in a project that answers, and waits for
somebody to be told.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.combinations.linters import BIN
from tests.combinations.model import Model, shown
from tests.debian import program
from tests.generating import FOLDER, TEMPLATE
from tests.proofs.promql import expressions, selectors

WATCHING = "monitoring/"
COMPOSE = "compose.yaml"
# environment, severity -> who is told
TOLD = {
    ("dev", "critical"): "email",
    ("dev", "warning"): "email",
    ("", "critical"): "email",
    ("staging", "critical"): "slack",
    ("staging", "warning"): "slack",
    ("prod", "critical"): "pagerduty,slack",
    ("prod", "warning"): "slack",
}


def layouts(model: Model) -> Iterator[dict[str, str]]:
    """Yield the texts of what watches, by path, once for each that answers lead to."""
    paths = [p for p in model.paths if p.startswith(WATCHING) or p == COMPOSE]
    pieces = [piece for path in paths for piece in model.pieces[path]]
    asked = {name for piece in pieces for name in piece.questions}
    asked |= {name for path in paths for name in model.owners[path]}
    seen = set()
    for answers in model.questions.assignments(asked):
        landed = {path: model.landing(path, answers) for path in paths}
        texts = {at: model.text(path, answers) for path, at in landed.items() if at}
        key = tuple(sorted(texts.items()))
        if texts and key not in seen:
            seen.add(key)
            yield texts | {"answers": shown(answers)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders with all that watches, one for each that some answers lead to."""
    root = tmp_path_factory.mktemp("layouts")
    found = []
    for number, texts in enumerate(layouts(Model(TEMPLATE))):
        found.append(root / str(number))
        for path, text in texts.items():
            (found[-1] / path).parent.mkdir(parents=True, exist_ok=True)
            (found[-1] / path).write_text(text, encoding="utf-8")
    assert 8 <= len(found) < 100
    return found


def distinct(folders: list[Path], part: str) -> list[Path]:
    """Return a part of the folders, once for each content that it has."""
    found = {}
    for path in (folder / part for folder in folders if (folder / part).exists()):
        below = [path, *sorted(path.rglob("*"))]
        found[tuple(file.read_bytes() for file in below if file.is_file())] = path
    return [*found.values()]


def run(*command: str | Path, **options: Any) -> str:
    """Run a program that must succeed, and return what it says."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def alerts(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the alerts of a folder by their names."""
    text = (folder / WATCHING / "prometheus/alerts.yml").read_text(encoding="utf-8")
    rules = [r for group in yaml.safe_load(text)["groups"] for r in group["rules"]]
    return {rule["alert"]: rule for rule in rules}


def test_prometheus_takes_every_configuration(folders: list[Path]) -> None:
    parts = distinct(folders, "monitoring/prometheus")
    found = [part / "prometheus.yml" for part in parts]
    assert len(found) == 4  # two metrics of requests, with containers and without
    says = run(program("prometheus", "promtool"), "check", "config", *found)
    assert says.count("10 rules found") == says.count("4 rules found") == len(found)


def test_every_rule_does_as_its_own_tests_say(folders: list[Path]) -> None:
    parts = distinct(folders, "monitoring/prometheus")
    found = [path for part in parts for path in sorted(part.glob("tests/*.yml"))]
    run(program("prometheus", "promtool"), "test", "rules", *found)
    tested = (parts[0] / "tests/alerts.yml").read_text(encoding="utf-8")
    explained = (FOLDER / "docs/monitoring.md").read_text(encoding="utf-8")
    for name in alerts(folders[0]):
        assert f'alertname="{name}"' in tested, f"{name} fires in no test"
        assert f"| {name} |" in explained, f"{name} is not explained"


def test_each_alert_says_what_is_wrong_what_to_do_and_where_to_look(
    folders: list[Path], tmp_path: Path
) -> None:
    shutil.copytree(folders[0] / "monitoring/prometheus", tmp_path / "prometheus")
    path = tmp_path / "prometheus/tests/alerts.yml"
    wanted = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    bad, *_ = wanted["tests"]
    del bad["promql_expr_test"]
    bad["alert_rule_test"] = [
        {"eval_time": "2h", "alertname": name, "exp_alerts": []}
        for name in alerts(folders[0])
    ]
    path.write_text(yaml.safe_dump(wanted | {"tests": [bad]}), encoding="utf-8")
    command = [program("prometheus", "promtool"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    says = done.stdout + done.stderr
    for name, alert in alerts(folders[0]).items():
        (told,) = re.findall(rf'alertname="{name}",.*\n +Annotations:(.*)', says)
        assert {*alert["annotations"]} == {"summary", "description", "runbook"}
        assert (
            "error expanding" not in told
            and "{{" not in told
            and "no value" not in told
        ), told


@pytest.mark.parametrize(("environment", "severity"), TOLD)
def test_an_alert_goes_to_whom_its_environment_says(
    environment: str, severity: str, folders: list[Path]
) -> None:
    for path in distinct(folders, "monitoring/alertmanager/alertmanager.yml"):
        run(program("prometheus-alertmanager", "amtool"), "check-config", path)
        says = run(
            program("prometheus-alertmanager", "amtool"),
            *("config", "routes", "test", f"--config.file={path}"),
            *(f"environment={environment}", f"severity={severity}"),
        )
        assert says.split()[-1] == TOLD[environment, severity]


def test_every_query_of_the_dashboard_parses_and_asks_what_is_recorded(
    folders: list[Path],
) -> None:
    for part in distinct(folders, "monitoring"):
        folder = part.parent
        recorded, asked = expressions(folder / "monitoring")
        names = {s.name for text in asked.values() for s in selectors(text)}
        assert recorded and {name for name in names if ":" in name} == recorded
        (path,) = folder.glob("monitoring/grafana/dashboards/*.json")
        panels = json.loads(path.read_text(encoding="utf-8"))["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels) > 10
        (path,) = folder.glob("monitoring/grafana/provisioning/datasources/*")
        sources = yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
        assert {panel["datasource"]["uid"] for panel in panels} == {sources[0]["uid"]}


def test_compose_takes_every_file_and_nothing_is_open_to_others(
    folders: list[Path],
) -> None:
    found = distinct(folders, COMPOSE)
    assert 0 < len(found) < len(folders)
    for path in found:
        command = [BIN / "docker-compose", "--file", path, "config", "--format=json"]
        services = json.loads(run(*command))["services"]
        assert set(services) == {
            *("api", "prometheus", "alertmanager", "node-exporter", "grafana")
        }
        for name, service in services.items():
            assert service["read_only"] and service["cap_drop"] == ["ALL"], name
            assert service.get("build") or re.search(
                r":v?\d+\.\d+\.\d+$", service["image"]
            )
            for port in service.get("ports", []):
                assert port["host_ip"] == "127.0.0.1", name
            for volume in service.get("volumes", []):
                if volume["type"] == "bind" and WATCHING in volume["source"]:
                    assert Path(volume["source"]).is_dir(), volume
                    assert volume["read_only"], volume
        asked = (path.parent / "monitoring/prometheus/prometheus.yml").read_text(
            "utf-8"
        )
        targets = re.findall(r'targets: \["([\w-]+):\d+"\]', asked)
        assert {*targets} == {*services} - {"prometheus", "grafana"}

"""Alerts and dashboard of generated projects, held by the real programs.

Prometheus, Alertmanager and the node exporter come from Debian's packages where this
machine has none. The slow test induces a drift in a project that answers, and waits for
somebody to be told. Its intervals are short; of the alerts, it waits for one that waits
for nothing itself: the others fire in the tests of the rules, where time is made up.
"""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.combinations.linters import BIN
from tests.combinations.model import Model, shown
from tests.debian import program, sharing
from tests.generating import FOLDER, TEMPLATE, generate
from tests.interpreters import interpreter
from tests.machine import environment, free_port, running_server
from tests.proofs.promql import expressions, selectors
from tests.test_setup import script

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


def test_one_command_builds_the_image_and_starts_all_of_it(tmp_path: Path) -> None:
    project = generate(tmp_path, monitoring="evidently")
    log = tmp_path / "log"
    script(project / ".venv/bin/python", f'echo "$@" >> {log}')
    told = f'echo "docker $@, $MLOPS_ENV, user $USER_ID" >> {log}'
    script(tmp_path / "bin/docker", told)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    run("make", "up", "ENV=prod", cwd=project, env=os.environ | {"PATH": path})
    assert log.read_text(encoding="utf-8").splitlines() == [
        "scripts/deployment.py --env prod --export release",
        "docker build --tag my-ml-project ., , user ",
        f"docker compose up --detach --wait, prod, user {os.getuid()}",
    ]
    for folder in ("data/predictions", "reports/monitoring"):
        assert (project / folder).is_dir(), f"Docker would make {folder}, as root"


LEAST = {
    "preset": "minimal",
    "serving": "fastapi",
    "monitoring": "evidently",
}
COMMANDS = ("setup", "data", "train", "promote")
SECONDS = 60  # for what takes a few, unless the machine is busy


@contextmanager
def webhook() -> Iterator[tuple[str, list[Any]]]:
    """Yield the address of a web server on this machine, and what it is told."""
    told: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(
                json.loads(self.rfile.read(int(self.headers["content-length"])))
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", told
        server.shutdown()


def read(url: str, body: bytes | None = None, media_type: str = "text/csv") -> bytes:
    """Return what an address answers."""
    request = urllib.request.Request(url, body, {"content-type": media_type})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def eventually(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds; fail if it does not come to."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def changed(path: Path, *replacements: tuple[str, str]) -> None:
    """Replace texts of a file, each of which must be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text, f"{path}: {old}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_an_induced_drift_reaches_a_webhook(folder: Path) -> None:
    project = generate(folder, **LEAST)
    variables = environment(interpreter("3.12"))
    for command in COMMANDS:
        run("make", command, cwd=project, env=os.environ | variables)
    python = project / ".venv/bin/python"
    watching = project / "monitoring"
    ports = {name: free_port() for name in ("8000", "9090", "9093", "9100")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    addresses = [
        (f"localhost:{n}", f"127.0.0.1:{ports[n]}") for n in ports if n != "9090"
    ]
    changed(watching / "prometheus/prometheus.yml", ("15s", "1s"), *addresses)
    wait = "repeat_interval: 12h"
    changed(
        watching / "alertmanager/alertmanager.yml", (wait, f"{wait}\n  group_wait: 1s")
    )

    def start(name: str, path: str, *command: str | Path, at: Path = project) -> None:
        log = folder / f"{name}.log"
        stack.enter_context(
            running_server(command, at, settings, urls[name] + path, log)
        )

    settings = {
        "MLOPS_ENV": "prod",
        "SERVING_PORT": str(ports["8000"]),
        "MONITORING_LOG__PART_SECONDS": "0.1",
    }
    with ExitStack() as stack:
        start("8000", "/ready", python, "-m", "src.serving.api")
        with (project / "data/processed/test.csv").open(encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        old = [row for row in rows if int(row[header.index("age")]) > 45]
        drifted = io.StringIO()
        csv.writer(drifted).writerows([header, *old])
        read(f"{urls['8000']}/v1/predict/batch", drifted.getvalue().encode())
        model = json.loads(read(f"{urls['8000']}/model"))
        one = json.dumps(model["example"]).encode()
        read(f"{urls['8000']}/v1/predict", one, "application/json")
        written = f"prediction_log_rows_total {len(old) + 1}.0\n".encode()
        eventually(lambda: written in read(f"{urls['8000']}/metrics"), "rows are lost")
        decide = [python, "scripts/monitor.py"]
        assert subprocess.run(decide, cwd=project, check=False).returncode == 1

        address, told = stack.enter_context(webhook())
        secrets = watching / "alertmanager/secrets"
        secrets.mkdir()
        (secrets / "slack_url").write_text(address)  # and no other secret
        start(
            *("9100", "/metrics"),
            program("prometheus-node-exporter", "prometheus-node-exporter"),
            *("--collector.disable-defaults", "--collector.textfile"),
            f"--collector.textfile.directory={project / 'reports/monitoring'}",
            f"--web.listen-address=127.0.0.1:{ports['9100']}",
        )
        start(
            *("9093", "/-/ready"),
            *sharing(
                "prometheus-alertmanager", "alertmanager", "prometheus-alertmanager"
            ),
            *("--config.file=alertmanager.yml", "--cluster.listen-address="),
            *(f"--web.listen-address=127.0.0.1:{ports['9093']}",),
            f"--storage.path={folder / 'alertmanager'}",
            at=watching / "alertmanager",
        )
        start(
            *("9090", "/-/ready"),
            program("prometheus", "prometheus"),
            "--config.file=monitoring/prometheus/prometheus.yml",
            "--enable-feature=expand-external-labels",  # which version 3 always does
            f"--web.listen-address=127.0.0.1:{ports['9090']}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
        )
        eventually(
            lambda: any("drift of age" in str(message) for message in told),
            f"nobody was told of it: {told}",
        )
        (message,) = [m for m in told if "drift of age" in str(m)]
        (attachment,) = message["attachments"]
        assert re.match(r"\[FIRING:\d+\] Drift prod ", attachment["title"])
        assert "docs/monitoring.md#alerts" in attachment["text"]
        known = json.loads(read(f"{urls['9093']}/api/v2/alerts"))
        labels = {"alertname": "Drift", "check": "drift", "column": "age"}
        labels |= {"environment": "prod", "severity": "warning", "job": "monitoring"}
        (alert,) = [a for a in known if labels.items() <= a["labels"].items()]
        assert alert["receivers"] == [{"name": "slack"}]

        def has(selector: str) -> bool:
            asked = urllib.parse.urlencode({"query": selector})
            answer = read(f"{urls['9090']}/api/v1/query?{asked}")
            return bool(json.loads(answer)["data"]["result"])

        recorded, asked = expressions(watching)
        names = {s.name for text in asked.values() for s in selectors(text)}
        for name in sorted(names | recorded):
            eventually(lambda name=name: has(name), f"Prometheus knows of no {name}")

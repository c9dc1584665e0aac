"""The closed loop, lived through in a project with monitoring, FastAPI and the sample.

    python -m tests.proofs.loop.loop loop.svg

It writes the picture and, beside it, ``loop.json`` with the figures.

A model is made of people under thirty, and serves them. Then older people come, who are
in the data, too, but whom it was not made for: there is an alarm, their incomes become
known, a model is trained with them and passes the gate, and the service goes over to it
while it is asked. Only the order in which the rows come is arranged. The commands are
those of the project, and requests go to its service.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2 as httpx
import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from scripts.monitor import monitor
from src.models.registry import Registry
from src.utils.config import PROJECT_ROOT, load_settings

BATCH, REQUEST, YOUNG = 500, 25, 30  # rows, rows of a request, years
SECONDS = 60  # that anything takes at most


@dataclass
class Story:
    """What happened, batch by batch."""

    score: list[float] = field(default_factory=list)  # ROC AUC by the true incomes
    drift: list[float] = field(default_factory=list)  # share of the columns that alarm
    verdict: list[str] = field(default_factory=list)
    version: list[int] = field(default_factory=list)  # that answered
    events: list[tuple[float, str]] = field(default_factory=list)  # (after batch, what)
    asked: int = 0  # requests
    lost: int = 0  # of them, those that were not answered
    why: str = ""  # the reason in the registry


def live() -> Story:
    """Let it all happen, and return the story."""
    rows = pd.read_csv(PROJECT_ROOT / "data/sample/census_income.csv.gz", dtype="str")
    rows = rows.drop_duplicates().sample(frac=1, random_state=1)
    is_young = rows["age"].astype(int) < YOUNG
    young, older = rows[is_young], rows[~is_young]
    history = PROJECT_ROOT / "data/young.csv"
    young[BATCH:].to_csv(history, index=False)
    os.environ["MLOPS_DATA__SOURCE"] = str(history)
    os.environ["MONITORING_LOG__PART_SECONDS"] = "0.5"
    os.environ["MLOPS_EVALUATION__BOOTSTRAP_SAMPLES"] = "200"
    command("pipeline")
    command("promote", "WHY=made of people under thirty")
    story = Story()
    with serving() as ask:
        batch(story, ask, young[:BATCH], None)
        story.events.append((1, "older people come"))
        several = [older[n * BATCH : (n + 1) * BATCH] for n in range(9)]
        known = [batch(story, ask, rows, None) for rows in several[:2]]
        story.events.append((3, "their incomes become known"))
        for labels in known:
            tell(ask, labels)
        for rows in several[2:5]:
            batch(story, ask, rows, tell)
        story.events.append((6, "retrained, and through the gate"))
        with asking(story, ask, several[5]):
            command("loop")
            eventually(lambda: version(ask, several[5]) == 2)
        for rows in several[5:]:
            batch(story, ask, rows, tell)
    (event,) = [e for e in Registry(load_settings()).history() if "retrain" in e.why]
    story.why = event.why
    return story


def command(target: str, *settings: str) -> None:
    """Run a command of the project, and show what it says."""
    print(f"make {target}", flush=True)
    make = ["make", "--no-print-directory", target, *settings]
    done = subprocess.run(make, cwd=PROJECT_ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"make {target}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    print("   ", done.stdout.strip().splitlines()[-1], flush=True)


@contextmanager
def serving() -> Iterator[httpx.Client]:
    """Serve the champion, and yield who asks it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = [sys.executable, "-m", "src.serving.api"]
    variables = os.environ | {"SERVING_PORT": str(port)}
    with Path(PROJECT_ROOT / "service.log").open("w") as log:
        process = subprocess.Popen(
            service, cwd=PROJECT_ROOT, env=variables, stdout=log, stderr=log
        )
    ask = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS)
    try:
        eventually(partial(is_ready, ask))
        yield ask
    finally:
        ask.close()
        process.terminate()
        process.wait(SECONDS)


def is_ready(ask: httpx.Client) -> bool:
    try:
        return ask.get("/ready").is_success
    except httpx.TransportError:
        return False


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def request(ask: httpx.Client, rows: pd.DataFrame, name: str) -> Any:
    """Ask for predictions of some rows, in a request of that name."""
    sent = rows.drop(columns="income").astype(object).where(rows.notna(), None)
    headers = {"x-request-id": name}
    body = sent.to_dict("records")
    return ask.post("/v1/predict", json=body, headers=headers)


def version(ask: httpx.Client, rows: pd.DataFrame) -> int:
    """Return which version answers."""
    return int(request(ask, rows[:1], "which").json()["model_version"])


def batch(
    story: Story,
    ask: httpx.Client,
    rows: pd.DataFrame,
    told: Callable[[httpx.Client, list[Any]], None] | None,
) -> list[Any]:
    """Ask about a batch of rows, look at them, and return their labels, which are told
    before that if ``told`` does."""
    start, number = time.time(), len(story.score)
    shares, labels = [], []
    for place in range(0, len(rows), REQUEST):
        part, name = rows[place : place + REQUEST], f"batch-{number}-{place}"
        answer = request(ask, part, name).raise_for_status().json()
        shares += [p["probabilities"][">50K"] for p in answer["predictions"]]
        labels += [
            {"request_id": name, "row": row, "income": income}
            for row, income in enumerate(part["income"])
        ]
    os.environ["MONITORING_WINDOW__DAYS"] = str((time.time() - start) / 86400)
    if told is not None:
        told(ask, labels)
    time.sleep(1.0)  # until the log is written
    decision = monitor(load_settings())
    del os.environ["MONITORING_WINDOW__DAYS"]
    drift = [c["alarm"] for c in decision["checks"] if c["check"] == "drift"]
    story.score.append(float(roc_auc_score(rows["income"] == ">50K", shares)))
    story.drift.append(sum(drift) / len(drift))
    story.verdict.append(decision["verdict"])
    story.version.append(int(answer["model_version"]))
    told_by = f"version {answer['model_version']}, ROC AUC {story.score[-1]:.3f}"
    print(f"batch {number}: {told_by}, {decision['verdict']}: {decision['told'][:90]}")
    return labels


def tell(ask: httpx.Client, labels: list[Any]) -> None:
    """Tell the service what became true."""
    ask.post("/v1/labels", json=labels).raise_for_status()


@contextmanager
def asking(story: Story, ask: httpx.Client, rows: pd.DataFrame) -> Iterator[None]:
    """Ask on and on meanwhile, and count the requests that are not answered."""
    is_over = Event()

    def go_on() -> None:
        for place in cycle(range(len(rows))):
            story.asked += 1
            try:
                answer = request(ask, rows[place : place + 1], f"meanwhile-{place}")
                story.lost += not answer.is_success
            except httpx.TransportError:
                story.lost += 1
            if is_over.is_set():
                return
            time.sleep(0.01)

    thread = Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def draw(story: Story) -> Figure:
    """Draw the story, from the left to the right."""
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    score, drift, answers = figure.subplots(3, sharex=True, height_ratios=[3, 2, 1])
    numbers = np.arange(len(story.score)) + 0.5
    score.plot(numbers, story.score, marker="o")
    score.set(ylabel="ROC AUC\nby the true incomes", ylim=(0.7, 1.0))
    drift.bar(numbers, story.drift, color="lightgray")
    verdicts = np.array(story.verdict)
    for verdict, color, marker in (
        ("alarm", "tab:red", "X"),
        ("calm", "tab:blue", "o"),
    ):
        where = verdicts == verdict
        drift.plot(
            numbers[where],
            np.array(story.drift)[where],
            color=color,
            marker=marker,
            linestyle="",
            label=f"make monitor: {verdict}",
        )
    drift.set(ylabel="share of columns\nthat drifted", ylim=(-0.05, 1))
    drift.legend(loc="upper right", fontsize=9)
    answers.step(numbers, story.version, where="mid")
    answers.set(ylabel="version\nthat answers", yticks=[1, 2], ylim=(0.5, 2.5))
    answers.set(xlabel=f"batches of {BATCH} rows, one after the other", xticks=[])
    for place, text in story.events:
        for axes in (score, drift, answers):
            axes.axvline(place, color="gray", linestyle=":")
        score.text(place + 0.05, 0.985, text, va="top", fontsize=9)
    told = f"{story.asked} requests during the retraining, {story.lost} lost"
    figure.suptitle(f"The closed loop, on people of the census: {told}", fontsize=11)
    return figure


def main(path: Path) -> None:
    """Let it happen, draw it, and write the figures down."""
    story = live()
    # The same story gives the same file.
    options: dict[str, Any] = {"format": path.suffix[1:], "metadata": {"Date": None}}
    with rc_context({"svg.hashsalt": "loop"}):
        draw(story).savefig(path, **options)
    path.with_suffix(".json").write_text(json.dumps(asdict(story), indent=2))
    print(f"{story.asked} requests during the retraining, {story.lost} lost: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Which requests the challenger gets, and what becomes of its answers."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from src.serving import routing as module
from src.serving.follower import Models
from src.serving.metrics import Metrics
from src.serving.routing import Router, compare
from src.serving.settings import ServingSettings
from src.utils.config import PROJECT_ROOT
from src.utils.errors import ModelError

SECRET = "a person's name"
ROWS = [{"name": SECRET}, {"name": SECRET}]
Predict = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def answer(yes: float) -> dict[str, Any]:
    label = "yes" if yes >= 0.5 else "no"
    shares = {"no": 1 - yes, "yes": yes}
    return {"prediction": label, "probabilities": shares, "unknown": []}


def constant(yes: float) -> Predict:
    return lambda rows: [answer(yes) for _ in rows]


def fail(_: object) -> Any:
    raise ValueError(f"{SECRET} cannot be read")


def predictor(version: str, predict: Predict, schema: str = "same") -> Any:
    """Stands in for a predictor; its reader takes rows of its own schema alone."""
    reader = SimpleNamespace(read=fail if schema == "strict" else json.loads)
    return SimpleNamespace(
        version=version, predict=predict, schema=schema, reader=reader
    )


def models_of(challenger: Predict, schema: str = "same") -> Models:
    champion = predictor("1", constant(0.7))
    return Models(champion, predictor("2", challenger, schema))


MODELS = models_of(constant(0.2))


class Routed:
    """A router, what it has counted and what it has logged."""

    def __init__(self, mode: str, share: float) -> None:
        self.metrics = Metrics()
        serving = {"challenger": mode, "challenger_share": share}
        settings = ServingSettings.model_validate(serving)
        self.router = Router(settings, self.metrics)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def shadow(self, models: Models, request_id: str = "r-1") -> None:
        assert models.champion is not None
        answers = models.champion.predict(ROWS)
        self.router.shadow(models, ROWS, answers, request_id)


@pytest.fixture
def route() -> Iterator[Callable[..., Routed]]:
    made: list[Routed] = []

    def make(mode: str, share: float = 1.0) -> Routed:
        made.append(Routed(mode, share))
        return made[-1]

    yield make
    for routed in made:
        routed.router.stop()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """What the shadow has logged."""
    caplog.set_level(logging.INFO, "src.serving.shadow")
    name = "src.serving.shadow"
    return lambda: [json.loads(r.message) for r in caplog.records if r.name == name]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_the_challenger_answers_its_share_of_the_keys(
    route: Callable[..., Routed], share: float
) -> None:
    router = route("canary", share).router
    keys = 20_000
    sent = sum(
        router.choose(MODELS, f"customer-{n}") is MODELS.challenger for n in range(keys)
    )
    # Four standard deviations; the keys are the same each time.
    assert abs(sent - share * keys) <= 4 * (share * (1 - share) * keys) ** 0.5


def test_a_key_goes_the_same_way_in_every_process(
    route: Callable[..., Routed],
) -> None:
    code = (
        "from tests.unit.test_serving_routing import MODELS, Routed\n"
        "router = Routed('canary', 0.5).router\n"
        "print(*(router.choose(MODELS, str(n)).version for n in range(50)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    router = route("canary", 0.5).router
    ours = [router.choose(MODELS, str(n)).version for n in range(50)]
    assert out.stdout.split() == ours
    assert set(ours) == {"1", "2"}


def test_who_was_sent_to_the_challenger_still_is_when_the_share_grows(
    route: Callable[..., Routed],
) -> None:
    few, many = (route("canary", share).router for share in (0.1, 0.3))
    for key in map(str, range(500)):
        if few.choose(MODELS, key) is MODELS.challenger:
            assert many.choose(MODELS, key) is MODELS.challenger


@pytest.mark.parametrize("key", ["", "é", "\ud800", "x" * 10_000])
def test_any_key_will_do(route: Callable[..., Routed], key: str) -> None:
    assert route("canary").router.choose(MODELS, key) is MODELS.challenger


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_only_a_canary_answers(route: Callable[..., Routed], mode: str) -> None:
    assert route(mode).router.choose(MODELS, "key") is MODELS.champion


def test_without_a_challenger_the_champion_answers(
    route: Callable[..., Routed],
) -> None:
    models = Models(MODELS.champion)
    assert route("canary").router.choose(models, "key") is MODELS.champion
    with pytest.raises(ModelError, match="no model is loaded"):
        route("canary").router.choose(Models(), "key")


def test_a_canary_that_answers_is_counted(route: Callable[..., Routed]) -> None:
    routed = route("canary")
    chosen, version = routed.router.answer(MODELS, "key", lambda p: p.version)
    assert (chosen, version) == (MODELS.challenger, "2")
    assert routed.count("canary_requests_total", outcome="answered") == 1


def test_where_a_canary_fails_the_champion_answers(
    route: Callable[..., Routed], caplog: pytest.LogCaptureFixture
) -> None:
    routed, models = route("canary"), models_of(fail)
    for _ in range(3):
        chosen, answers = routed.router.answer(models, "k", lambda p: p.predict(ROWS))
        assert chosen is models.champion
        assert answers == [answer(0.7)] * 2
    assert routed.count("canary_requests_total", outcome="failed") == 3
    (record,) = caplog.records
    assert "ValueError in test_serving_routing.py" in record.message
    assert SECRET not in caplog.text


def test_a_request_that_both_models_refuse_is_refused_and_no_failure(
    route: Callable[..., Routed],
) -> None:
    routed = route("canary")
    with pytest.raises(ValueError, match=SECRET):
        routed.router.answer(MODELS, "key", fail)
    assert routed.count("canary_requests_total", outcome="failed") == 0


def test_a_shadow_is_compared_logged_and_counted(
    route: Callable[..., Routed], lines: Callable[[], list[dict[str, Any]]]
) -> None:
    routed = route("shadow")
    routed.shadow(models_of(lambda rows: [answer(0.2), answer(0.6)]))
    routed.router.stop()
    (line,) = lines()
    assert line.pop("largest_difference") == pytest.approx(0.5)
    assert line == {
        "request_id": "r-1",
        "champion": "1",
        "challenger": "2",
        "rows": 2,
        "disagreements": 1,
    }
    assert routed.count("shadow_predictions_total", agrees="yes") == 1
    assert routed.count("shadow_predictions_total", agrees="no") == 1


@pytest.mark.parametrize(
    ("challenger", "schema"),
    [
        (fail, "same"),
        (constant(0.7), "strict"),  # its own reader refuses the rows
        (lambda rows: [answer(0.7)], "same"),
        (lambda rows: [{"prediction": 1.5, "unknown": []}] * 2, "same"),
    ],
    ids=["raises", "another schema", "fewer rows", "another task"],
)
def test_a_shadow_that_fails_is_counted_and_nothing_of_the_rows_is_logged(
    route: Callable[..., Routed],
    lines: Callable[[], list[dict[str, Any]]],
    caplog: pytest.LogCaptureFixture,
    challenger: Predict,
    schema: str,
) -> None:
    routed = route("shadow")
    routed.shadow(models_of(challenger, schema))
    routed.shadow(MODELS, "r-2")
    routed.router.stop()
    assert routed.count("shadow_predictions_total", agrees="failed") == 2
    assert routed.count("shadow_predictions_total", agrees="no") == 2
    failed, compared = lines()
    assert "Error in " in failed["failed"]
    assert "failed" not in compared
    assert SECRET not in caplog.text


def test_a_shadow_of_another_schema_that_takes_the_rows_is_compared(
    route: Callable[..., Routed], lines: Callable[[], list[dict[str, Any]]]
) -> None:
    seen: list[Any] = []

    def challenger(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seen.append(rows)
        return constant(0.7)(rows)

    routed = route("shadow")
    routed.shadow(models_of(challenger, "wider"))
    routed.router.stop()
    assert seen == [ROWS]
    assert lines()[0]["disagreements"] == 0


@pytest.mark.parametrize("mode", ["off", "canary"])
def test_there_is_no_shadow_unless_it_is_asked_for(
    route: Callable[..., Routed], mode: str
) -> None:
    routed = route(mode)
    routed.shadow(models_of(lambda rows: pytest.fail("predicted")))
    routed.router.stop()
    assert routed.count("shadow_predictions_total", agrees="failed") == 0


def test_the_shadow_gets_its_share_of_the_requests(
    route: Callable[..., Routed], lines: Callable[[], list[dict[str, Any]]]
) -> None:
    routed = route("shadow", 0.25)
    for number in range(400):
        routed.shadow(MODELS, f"request-{number}")
    routed.router.stop()
    assert 65 <= len(lines()) <= 135


def test_a_shadow_that_is_too_slow_is_skipped_and_nobody_waits(
    route: Callable[..., Routed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_ROWS", 6)
    may_go = Event()

    def slow(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        may_go.wait(10)
        return constant(0.7)(rows)

    routed, models = route("shadow"), models_of(slow)
    for _ in range(10):
        routed.shadow(models)
    assert routed.count("shadow_dropped_total") == 14
    may_go.set()
    routed.router.stop()
    assert routed.count("shadow_predictions_total", agrees="yes") == 6


def test_a_shadow_that_has_caught_up_is_not_skipped(
    route: Callable[..., Routed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_ROWS", 2)
    routed, answered = route("shadow"), 0.0
    for _ in range(3):
        routed.shadow(MODELS)
        answered += 2
        end = time.monotonic() + 5
        while routed.router._waiting and time.monotonic() < end:
            time.sleep(0.001)
        assert routed.count("shadow_predictions_total", agrees="no") == answered
    assert routed.count("shadow_dropped_total") == 0


def test_a_request_of_more_rows_than_may_wait_is_taken_alone(
    route: Callable[..., Routed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_ROWS", 1)
    routed = route("shadow")
    routed.shadow(MODELS)
    routed.router.stop()
    assert routed.count("shadow_predictions_total", agrees="no") == 2


@pytest.mark.parametrize(
    ("ours", "theirs", "disagreements", "difference"),
    [
        ([100.0], [100.5], 0, 0.5 / 100.5),
        ([100.0], [102.0], 1, 2 / 102),
        ([-1.0], [1.0], 1, 2.0),
        ([0.0, 5.0], [0.0, 5.0], 0, 0.0),
        ([1.0], [float("nan")], 1, None),
    ],
)
def test_numbers_agree_if_they_are_nearly_the_same(
    ours: list[float],
    theirs: list[float],
    disagreements: int,
    difference: float | None,
) -> None:
    found = compare(*([{"prediction": n} for n in ns] for ns in (ours, theirs)))
    assert found.disagreements == disagreements
    if difference is not None:
        assert found.largest_difference == pytest.approx(difference)


def test_labels_that_one_model_lacks_have_no_probability_there() -> None:
    ours = {"prediction": "a", "probabilities": {"a": 0.6, "b": 0.4}}
    theirs = {"prediction": "a", "probabilities": {"a": 0.5, "c": 0.5}}
    assert compare([ours], [theirs]) == (1, 0, 0.5)

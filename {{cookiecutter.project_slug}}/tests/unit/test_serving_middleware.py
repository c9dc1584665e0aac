"""What happens to every request, whatever the route and the framework."""

import json
import logging
import re
from typing import Any

import pytest

from src.serving.access_log import AccessLog
from src.serving.keys import ApiKeys
from src.serving.messages import Refused, Request, Response, Route
from src.serving.metrics import Metrics
from src.serving.middleware import (
    LARGE_BODY,
    MAX_SLOW,
    SECURITY_HEADERS,
    Exchange,
    Gate,
)
from src.serving.settings import ServingSettings

LIMIT = 100
KEY = "a secret of nobody"


def fail(_: Request) -> Response:
    raise RuntimeError("a defect")


def echo(request: Request) -> Response:
    return Response(200, request.body, model_version="7")


class Rig:
    """A gate, and what it notes."""

    def __init__(self, **serving: Any) -> None:
        settings = ServingSettings.model_validate(serving)
        self.metrics = Metrics()
        self.log = AccessLog()
        routes = (
            Route("POST", "/echo", echo, max_bytes=LIMIT),
            Route("POST", "/batch", echo, max_bytes=10 * LARGE_BODY, is_slow=True),
            Route("GET", "/fail", fail),
            Route("GET", "/health", echo, protected=False),
        )
        keys = ApiKeys(settings)
        self.gate = Gate(routes, settings, keys, self.metrics, self.log, lambda: "3")

    def enter(
        self, method: str = "POST", path: str = "/echo", body: bytes = b"", **given: str
    ) -> Exchange:
        headers = {name.replace("_", "-"): value for name, value in given.items()}
        exchange = self.gate.enter(method, path, headers)
        exchange.request.body = body
        return exchange

    def headers(self, exchange: Exchange, response: Response) -> dict[str, str]:
        headers = self.gate.finish(exchange, response)
        assert len(dict(headers)) == len(headers)
        return dict(headers)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def refusal(gate: Gate, exchange: Exchange) -> Refused:
    with pytest.raises(Refused) as caught:
        gate.check(exchange)
        gate.begin(exchange)
    return caught.value


def test_each_request_gets_an_identifier_of_its_own() -> None:
    rig = Rig()
    requests = [rig.enter().request for _ in range(3)] + [Rig().enter().request]
    identifiers = {request.request_id for request in requests}
    assert len(identifiers) == 4
    assert all(re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", name) for name in identifiers)


def test_an_identifier_that_was_given_is_kept() -> None:
    assert Rig().enter(x_request_id="trace-7").request.request_id == "trace-7"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", 'a"b', "a\nb"])
def test_an_identifier_that_could_do_harm_is_replaced(given: str) -> None:
    assert Rig().enter(x_request_id=given).request.request_id != given


def test_every_answer_has_the_headers_of_every_answer() -> None:
    rig = Rig()
    exchange = rig.enter(x_request_id="trace-7")
    assert rig.headers(exchange, Response(200, b"")) == {
        "X-Request-ID": "trace-7",
        "X-Model-Version": "3",
        **dict(SECURITY_HEADERS),
    }


def test_the_version_is_that_of_the_model_that_answered() -> None:
    rig = Rig()
    exchange = rig.enter()
    answer = rig.gate.answer(exchange)
    assert rig.headers(exchange, answer)["X-Model-Version"] == "7"


def test_an_answer_may_have_its_own_view_of_a_header() -> None:
    rig = Rig()
    response = Response(200, b"", headers=(("Cache-Control", "no-cache"),))
    assert "Cache-Control" not in rig.headers(rig.enter(), response)


def test_no_answer_allows_other_origins() -> None:
    rig = Rig()
    exchange = rig.enter("OPTIONS", origin="https://example.com")
    refused = refusal(rig.gate, exchange).response()
    names = [*rig.headers(exchange, refused), *dict(refused.headers)]
    assert not [name for name in names if name.startswith("Access-Control")]


def test_another_method_is_refused_with_the_one_that_is_allowed() -> None:
    rig = Rig()
    refused = refusal(rig.gate, rig.enter("DELETE", "/echo"))
    assert (refused.status, refused.headers) == (405, (("Allow", "POST"),))
    refused = refusal(rig.gate, rig.enter("POST", "/health"))
    assert (refused.status, refused.headers) == (405, (("Allow", "GET, HEAD"),))


def test_what_may_be_got_may_be_asked_for_its_headers() -> None:
    rig = Rig()
    exchange = rig.enter("HEAD", "/health")
    rig.gate.check(exchange)
    assert rig.gate.answer(exchange).status == 200


def test_a_key_is_asked_where_one_is_set() -> None:
    gate = Rig(api_key=KEY).gate
    for headers in ({}, {"x-api-key": "wrong"}):
        refused = refusal(gate, gate.enter("POST", "/echo", headers))
        assert refused.status == 401
        assert dict(refused.headers)["WWW-Authenticate"]
    gate.check(gate.enter("POST", "/echo", {"x-api-key": KEY}))
    gate.check(gate.enter("GET", "/health", {}))


def test_a_key_is_asked_for_what_a_team_adds() -> None:
    gate = Rig(api_key=KEY).gate
    assert refusal(gate, gate.enter("GET", "/theirs", {})).status == 401
    assert refusal(gate, gate.enter("GET", "/health/", {})).status == 401


@pytest.mark.parametrize("length", ["101", "99999999999999", "-1", "ten", "1_0"])
def test_a_body_that_is_said_to_be_too_large_is_refused_unread(length: str) -> None:
    rig = Rig()
    assert refusal(rig.gate, rig.enter(content_length=length)).status == 413


def test_a_body_within_the_limit_is_let_in() -> None:
    rig = Rig()
    exchange = rig.enter(content_length=str(LIMIT))
    assert rig.gate.check(exchange) == LIMIT
    rig.gate.hold(exchange, LIMIT, LIMIT)


def test_a_body_that_turns_out_to_be_too_large_is_refused() -> None:
    rig = Rig()
    with pytest.raises(Refused) as caught:
        rig.gate.hold(rig.enter(), LIMIT + 1, LIMIT)
    assert caught.value.status == 413


def test_a_body_of_what_has_none_is_not_read() -> None:
    rig = Rig()
    assert rig.gate.check(rig.enter("GET", "/health", content_length="9999")) == 0


def test_more_requests_than_allowed_are_turned_away_at_once() -> None:
    rig = Rig(max_in_flight=2)
    first, second, third = (rig.enter() for _ in range(3))
    rig.gate.begin(first)
    rig.gate.begin(second)
    refused = refusal(rig.gate, third)
    assert (refused.status, refused.headers) == (503, (("Retry-After", "1"),))
    rig.gate.begin(rig.enter("GET", "/health"))
    assert rig.value("http_requests_in_flight") == 2
    rig.gate.finish(third, refused.response())
    rig.gate.finish(first, Response(200, b""))
    rig.gate.begin(rig.enter())
    assert rig.value("http_requests_in_flight") == 2


def test_few_slow_requests_run_beside_many_fast_ones() -> None:
    rig = Rig()
    slow = [rig.enter(path="/batch") for _ in range(MAX_SLOW)]
    for exchange in slow:
        rig.gate.begin(exchange)
        assert exchange.is_slow
    large = rig.enter(body=b"x" * (LARGE_BODY + 1))
    assert refusal(rig.gate, large).status == 503
    rig.gate.begin(fast := rig.enter(body=b"x"))
    assert not fast.is_slow
    rig.gate.finish(slow[0], Response(200, b""))
    rig.gate.begin(large)


def test_large_bodies_of_many_requests_do_not_fill_the_memory() -> None:
    rig = Rig()
    largest = 10 * LARGE_BODY
    first, second, third = (rig.enter(path="/batch") for _ in range(3))
    rig.gate.hold(first, largest, largest)
    rig.gate.hold(second, largest, largest)
    with pytest.raises(Refused) as caught:
        rig.gate.hold(third, LARGE_BODY + 1, largest)
    assert caught.value.status == 503
    rig.gate.hold(third, LARGE_BODY, largest)
    rig.gate.finish(first, Response(200, b""))
    rig.gate.hold(third, largest, largest)


def test_callers_are_told_to_go_elsewhere_before_the_end() -> None:
    rig = Rig()
    assert "Connection" not in rig.headers(rig.enter(), Response(200, b""))
    rig.gate.is_draining = True
    late = rig.gate.too_slow().response()
    assert rig.headers(rig.enter(), Response(200, b""))["Connection"] == "close"
    assert ("Connection", "close") in late.headers
    assert "Connection" not in rig.headers(rig.enter(), late)


def test_a_defect_is_answered_with_the_identifier_under_which_it_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    exchange = rig.enter("GET", "/fail", x_request_id="id-7")
    try:
        rig.gate.answer(exchange)
    except RuntimeError:
        response = rig.gate.failed(exchange)
    assert response.status == 500
    assert json.loads(response.body) == {"detail": "internal error; request id-7"}
    assert "id-7" in caplog.text and "RuntimeError: a defect" in caplog.text


def test_requests_are_counted_and_timed_by_their_routes() -> None:
    rig = Rig()
    rig.gate.finish(rig.enter(), Response(200, b""))
    rig.gate.finish(rig.enter(), Response(422, b""))
    for path in ("/a", "/b"):
        rig.gate.finish(rig.enter("GET", path), Response(404, b""))
    echoed = {"method": "POST", "route": "/echo"}
    assert rig.value("http_requests_total", **echoed, status="200") == 1
    assert rig.value("http_requests_total", **echoed, status="422") == 1
    assert rig.value("http_request_duration_seconds_count", **echoed) == 2
    other = {"method": "GET", "route": "other", "status": "404"}
    assert rig.value("http_requests_total", **other) == 2


def test_each_request_is_a_line_of_json_without_what_was_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "src.serving.access")
    rig = Rig()
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.extend(  # type: ignore[method-assign]
        record.getMessage().split("\n")
    )
    logger = logging.getLogger("src.serving.access")
    logger.addHandler(handler)
    try:
        rig.log.start()
        rig.gate.finish(
            rig.enter(body=b"personal", x_request_id="id-1"), Response(200, b"12345")
        )
        rig.gate.finish(rig.enter("GET", '/jane"\n', x="y"), Response(404, b""))
        rig.log.stop()
    finally:
        logger.removeHandler(handler)
    known, other = map(json.loads, lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", known.pop("time"))
    assert 0 <= known.pop("milliseconds") < 1000
    assert known == {
        "request_id": "id-1",
        "method": "POST",
        "path": "/echo",
        "status": 200,
        "bytes": 5,
        "model_version": "3",
    }
    assert (other["path"], other["status"]) == ("other", 404)

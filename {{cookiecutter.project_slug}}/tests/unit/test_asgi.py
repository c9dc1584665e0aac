"""How requests of an ASGI server pass the gate."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from src.serving.access_log import AccessLog
from src.serving.asgi import ContractMiddleware, Message, Receive, Scope, Send
from src.serving.keys import ApiKeys
from src.serving.messages import Refused, Request, Response, Route
from src.serving.metrics import Metrics
from src.serving.middleware import LARGE_BODY, SECURITY_HEADERS, Gate
from src.serving.settings import ServingSettings

LIMIT = 1000


def thread_of(_: Request) -> Response:
    return Response(200, threading.current_thread().name.encode())


def echo(request: Request) -> Response:
    return Response(200, request.body, headers=(("X-Path", request.path),))


def refuse(_: Request) -> Response:
    raise Refused(422, [{"column": "age", "problem": "too young"}])


def fail(_: Request) -> Response:
    raise RuntimeError("a defect")


async def team(scope: Scope, receive: Receive, send: Send) -> None:
    """What a team has added."""
    body = (await receive())["body"]
    if body == b"fail":
        raise RuntimeError("a defect")
    start = {"type": "http.response.start", "status": 201, "headers": [(b"x", b"y")]}
    await send(start)
    if body == b"fail late":
        raise RuntimeError("a defect")
    await send({"type": "http.response.body", "body": body})


class Answer:
    """What was sent to the caller."""

    def __init__(self, messages: Sequence[Message]) -> None:
        start, *rest = messages
        self.status: int = start["status"]
        pairs = [(n.decode(), v.decode()) for n, v in start["headers"]]
        self.headers = dict(pairs)
        assert len(pairs) == len(self.headers), "a header was sent twice"
        self.body = b"".join(part["body"] for part in rest)


class Rig:
    """The middleware, and what is asked of it."""

    def __init__(self, **serving: Any) -> None:
        settings = ServingSettings.model_validate(serving)
        routes = (
            Route("POST", "/echo", echo, max_bytes=LIMIT),
            Route("POST", "/thread", thread_of, max_bytes=10 * LARGE_BODY),
            Route("POST", "/batch", thread_of, max_bytes=LIMIT, is_slow=True),
            Route("POST", "/refuse", refuse, max_bytes=LIMIT),
            Route("POST", "/fail", fail, max_bytes=LIMIT),
        )
        keys, metrics, log = ApiKeys(settings), Metrics(), AccessLog()
        self.gate = Gate(routes, settings, keys, metrics, log, lambda: "3")
        self.metrics = metrics
        self.app = ContractMiddleware(team, self.gate)

    async def send(
        self,
        path: str,
        parts: Sequence[bytes | None] = (b"",),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> list[Message]:
        """Send a body in parts; None is a caller who goes, its lack one who stalls."""
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        left = list(parts)
        sent: list[Message] = []

        async def receive() -> Message:
            if not left:
                await asyncio.sleep(60)
            part = left.pop(0)
            if part is None:
                return {"type": "http.disconnect"}
            more = bool(left) or part == b"more"
            return {"type": "http.request", "body": part, "more_body": more}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent

    def ask(self, *args: Any) -> Answer:
        return Answer(asyncio.run(self.send(*args)))


@pytest.mark.parametrize("path", ["/echo", "/theirs"])
def test_a_body_arrives_whole_however_it_is_sent(path: str) -> None:
    for parts in ([b"x" * LIMIT], [b"x" * 10] * 100):
        assert Rig().ask(path, parts).body == b"x" * LIMIT


def test_an_answer_has_the_headers_of_its_own_and_those_of_every_answer() -> None:
    headers = Rig().ask("/echo", [b"12345"]).headers
    assert headers.pop("x-request-id")
    assert headers == {
        "content-type": "application/json",
        "content-length": "5",
        "x-path": "/echo",
        "x-model-version": "3",
        **{name.lower(): value for name, value in SECURITY_HEADERS},
    }


def test_what_a_team_adds_answers_with_the_headers_of_every_answer() -> None:
    answer = Rig().ask("/theirs", [b"hello"])
    assert (answer.status, answer.body) == (201, b"hello")
    assert answer.headers["x"] == "y"
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/refuse", 422, [{"column": "age", "problem": "too young"}]),
        ("/fail", 500, "internal error; request id-7"),
    ],
)
def test_what_goes_wrong_is_answered_in_one_form(
    path: str, status: int, detail: Any
) -> None:
    answer = Rig().ask(path, [b""], [(b"x-request-id", b"id-7")])
    assert answer.status == status
    assert json.loads(answer.body) == {"detail": detail}
    assert answer.headers["x-request-id"] == "id-7"


def test_a_defect_of_what_a_team_adds_is_answered_in_the_same_form() -> None:
    rig = Rig()
    answer = rig.ask("/theirs", [b"fail"], [(b"x-request-id", b"id-7")])
    assert answer.status == 500
    assert json.loads(answer.body) == {"detail": "internal error; request id-7"}
    assert rig.gate.in_flight == 0


def test_an_answer_that_breaks_off_stays_broken() -> None:
    rig = Rig()
    with pytest.raises(RuntimeError):
        asyncio.run(rig.send("/theirs", [b"fail late"]))
    assert rig.gate.in_flight == 0


@pytest.mark.parametrize("path", ["/echo", "/refuse", "/theirs"])
def test_a_body_beyond_the_limit_is_refused(path: str) -> None:
    rig = Rig(max_body_bytes=LIMIT)
    for parts in ([b"x" * (LIMIT + 1)], [b"x" * 10] * 200):
        answer = rig.ask(path, parts)
        assert answer.status == 413
        assert f"larger than {LIMIT} bytes" in json.loads(answer.body)["detail"]


def test_a_body_that_is_said_to_be_too_large_is_not_waited_for() -> None:
    answer = Rig(body_seconds=0.01).ask("/echo", [], [(b"content-length", b"9" * 20)])
    assert answer.status == 413


@pytest.mark.parametrize("parts", [[], [b"more"], [b"more", b"more"]])
def test_a_body_that_does_not_arrive_ends_with_its_connection(
    parts: list[bytes],
) -> None:
    answer = Rig(body_seconds=0.01).ask("/echo", parts)
    assert answer.status == 408
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("parts", [[None], [b"more", None]])
def test_a_caller_who_goes_away_is_not_answered(parts: list[bytes | None]) -> None:
    rig = Rig()
    assert asyncio.run(rig.send("/echo", parts)) == []
    labels = {"method": "POST", "route": "/echo", "status": "499"}
    assert rig.metrics.registry.get_sample_value("http_requests_total", labels) == 1


def together(rig: Rig, path: str, count: int) -> list[int]:
    async def ask() -> list[int]:
        sent = await asyncio.gather(*(rig.send(path) for _ in range(count)))
        return [Answer(messages).status for messages in sent]

    return asyncio.run(ask())


def test_requests_that_arrive_together_are_all_counted() -> None:
    statuses = together(Rig(max_in_flight=3), "/echo", 8)
    assert statuses == [200] * 3 + [503] * 5


def test_after_an_overload_all_are_answered_again() -> None:
    rig = Rig(max_in_flight=1)
    together(rig, "/fail", 3)
    together(rig, "/theirs", 3)
    assert together(rig, "/echo", 1) == [200]
    assert rig.gate.in_flight == 0


@pytest.mark.parametrize(
    ("path", "body", "is_apart"),
    [
        ("/thread", b"x", False),
        ("/thread", b"x" * (LARGE_BODY + 1), True),
        ("/batch", b"x", True),
    ],
)
def test_what_takes_long_runs_in_a_thread(
    path: str, body: bytes, is_apart: bool
) -> None:
    name = Rig().ask(path, [body]).body.decode()
    assert (name != threading.current_thread().name) == is_apart


def test_slow_requests_are_turned_away_before_fast_ones() -> None:
    assert sorted(together(Rig(), "/batch", 5)) == [200, 200, 503, 503, 503]


def test_a_request_that_the_server_cancels_is_not_counted_for_ever() -> None:
    rig = Rig()

    async def cancel() -> None:
        task = asyncio.ensure_future(rig.send("/echo", []))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancel())
    assert rig.gate.in_flight == 0


def test_what_is_no_request_passes() -> None:
    passed: list[Scope] = []

    async def app(scope: Scope, *_: Callable[..., Any]) -> None:
        passed.append(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError("not to be reached")

    scope = {"type": "lifespan"}
    asyncio.run(ContractMiddleware(app, Rig().gate)(scope, nothing, nothing))
    assert passed == [scope]

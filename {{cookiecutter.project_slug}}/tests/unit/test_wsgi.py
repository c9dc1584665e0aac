"""How requests of a WSGI server pass the gate."""

import json
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from src.serving.access_log import AccessLog
from src.serving.keys import ApiKeys
from src.serving.messages import Refused, Request, Response, Route
from src.serving.metrics import Metrics
from src.serving.middleware import SECURITY_HEADERS, Gate
from src.serving.settings import ServingSettings
from src.serving.wsgi import ContractMiddleware, Gone

LIMIT = 1000
KEY = "a secret of nobody"


def echo(request: Request) -> Response:
    return Response(200, request.body, headers=(("X-Path", request.path),))


def greet(_: Request) -> Response:
    return Response(200, b"hello")


def refuse(_: Request) -> Response:
    raise Refused(422, [{"column": "age", "problem": "too young"}])


def fail(_: Request) -> Response:
    raise RuntimeError("a defect")


def team(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """What a team has added."""
    body = environ["wsgi.input"].read()
    if body == b"fail":
        raise RuntimeError("a defect")
    start("201 Created", [("X-Given", environ["HTTP_X_REQUEST_ID"])])
    return [body]


class Dribble(BytesIO):
    """A body that takes too long, or breaks off."""

    def __init__(self, error: Exception) -> None:
        super().__init__(b"x" * 10)
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        part = super().read(4)
        if self.tell() > 8:
            raise self.error
        return part


class Answer:
    """What was sent to the caller."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes):
        self.status = int(status.split()[0])
        self.headers = {name.lower(): value for name, value in headers}
        assert len(headers) == len(self.headers), "a header was sent twice"
        self.body = body


class Rig:
    """The middleware, and what is asked of it."""

    def __init__(self, **serving: Any) -> None:
        settings = ServingSettings.model_validate(serving)
        routes = (
            Route("POST", "/echo", echo, max_bytes=LIMIT),
            Route("POST", "/ä", echo, max_bytes=LIMIT),
            Route("GET", "/echo me", echo),
            Route("GET", "/greet", greet),
            Route("POST", "/refuse", refuse, max_bytes=LIMIT),
            Route("POST", "/fail", fail, max_bytes=LIMIT),
        )
        keys, self.metrics, log = ApiKeys(settings), Metrics(), AccessLog()
        self.gate = Gate(routes, settings, keys, self.metrics, log, lambda: "3")
        self.app = ContractMiddleware(team, self.gate)

    def ask(
        self,
        path: str,
        body: bytes = b"",
        method: str = "POST",
        stream: BytesIO | None = None,
        **environ: str,
    ) -> Answer:
        environ |= {"PATH_INFO": path.encode().decode("latin-1")}
        given: dict[str, Any] = {"REQUEST_METHOD": method, **environ}
        given.setdefault("CONTENT_LENGTH", str(len(body)))
        given["wsgi.input"] = stream or BytesIO(body)
        setup_testing_defaults(given)
        started: list[Any] = []
        parts = self.app(given, lambda *arguments: started.extend(arguments))
        return Answer(started[0], started[1], b"".join(parts))


@pytest.mark.parametrize("path", ["/echo", "/theirs"])
def test_a_body_arrives_whole(path: str) -> None:
    assert Rig().ask(path, b"x" * LIMIT).body == b"x" * LIMIT


def test_an_answer_has_the_headers_of_its_own_and_those_of_every_answer() -> None:
    headers = Rig().ask("/echo", b"12345").headers
    assert headers.pop("x-request-id")
    assert headers == {
        "content-type": "application/json",
        "content-length": "5",
        "x-path": "/echo",
        "x-model-version": "3",
        **{name.lower(): value for name, value in SECURITY_HEADERS},
    }


def test_paths_are_decoded() -> None:
    answer = Rig().ask("/ä", b"1")
    assert (answer.status, answer.body) == (200, b"1")


def test_what_a_team_adds_answers_with_the_headers_of_every_answer() -> None:
    answer = Rig().ask("/theirs", b"hello", HTTP_X_REQUEST_ID="id-7")
    assert (answer.status, answer.body) == (201, b"hello")
    assert answer.headers["x-request-id"] == answer.headers["x-given"] == "id-7"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_a_team_adds_needs_the_key() -> None:
    rig = Rig(api_key=KEY)
    assert rig.ask("/theirs", b"hello").status == 401
    assert rig.ask("/theirs", b"hello", HTTP_X_API_KEY=KEY).status == 201


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("/refuse", b"", 422, [{"column": "age", "problem": "too young"}]),
        ("/fail", b"", 500, "internal error; request id-7"),
        ("/theirs", b"fail", 500, "internal error; request id-7"),
        ("/echo", b"x" * (LIMIT + 1), 413, f"the body is larger than {LIMIT} bytes"),
    ],
)
def test_what_is_refused_says_why(
    path: str, body: bytes, status: int, detail: Any
) -> None:
    rig = Rig()
    answer = rig.ask(path, body, HTTP_X_REQUEST_ID="id-7")
    assert (answer.status, json.loads(answer.body)) == (status, {"detail": detail})
    assert answer.headers["x-model-version"] == "3"
    assert rig.gate.in_flight == 0


def test_a_body_of_unknown_length_is_not_read_beyond_the_limit() -> None:
    stream = BytesIO(b"x" * 1_000_000)
    answer = Rig().ask("/echo", stream=stream, CONTENT_LENGTH="")
    assert answer.status == 413
    assert stream.tell() < 100_000


def test_the_body_of_a_request_that_has_none_is_not_read() -> None:
    stream = BytesIO(b"x" * 10)
    answer = Rig().ask("/echo me", method="GET", stream=stream, CONTENT_LENGTH="10")
    assert (answer.status, answer.body, stream.tell()) == (200, b"", 0)


def test_the_head_of_an_answer_has_its_length_and_no_body() -> None:
    answer = Rig().ask("/greet", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "5"


def test_a_body_that_takes_too_long_is_refused() -> None:
    assert Rig().ask("/echo", stream=Dribble(TimeoutError())).status == 408
    late = Rig(body_seconds=0.001).ask("/echo", stream=Slow(b"x" * 10))
    assert late.status == 408


class Slow(BytesIO):
    """A body that arrives, in time for nobody."""

    def read(self, size: int | None = -1) -> bytes:
        time.sleep(0.002)
        return super().read(4)


@pytest.mark.parametrize("stream", [Dribble(ConnectionResetError()), BytesIO(b"x")])
def test_who_goes_away_is_no_defect_and_nothing_is_left_of_it(
    stream: BytesIO, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    with pytest.raises(Gone):
        rig.ask("/echo", stream=stream, CONTENT_LENGTH="10")
    assert caplog.text == ""
    assert rig.gate.in_flight == 0
    assert b'status="499"' in rig.metrics.render()

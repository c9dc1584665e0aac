"""What happens to every request, whatever the route."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from src.serving.middleware import (
    SECURITY_HEADERS,
    AccessLogMiddleware,
    BodyLimitMiddleware,
    RequestIdMiddleware,
    SecurityHeadersMiddleware,
)

LIMIT = 1000


async def echo(request: Request) -> Response:
    body = await request.body()
    request_id = request.state.request_id
    return JSONResponse({"bytes": len(body), "request_id": request_id})


async def fail(_: Request) -> Response:
    raise RuntimeError("a defect")


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = Starlette(
        routes=[Route("/echo", echo, methods=["POST"]), Route("/fail", fail)],
        middleware=[
            Middleware(RequestIdMiddleware),
            Middleware(SecurityHeadersMiddleware),
            Middleware(AccessLogMiddleware),
            Middleware(BodyLimitMiddleware, max_bytes=LIMIT),
        ],
    )
    # Entered, so that the start of the application passes the middleware too.
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_request_gets_an_identifier(client: TestClient) -> None:
    first, second = (client.post("/echo") for _ in range(2))
    assert first.headers["X-Request-ID"] == first.json()["request_id"]
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


def test_an_identifier_that_was_given_is_kept(client: TestClient) -> None:
    answer = client.post("/echo", headers={"X-Request-ID": "trace-7"})
    assert answer.headers["X-Request-ID"] == "trace-7"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>"])
def test_an_identifier_that_could_do_harm_is_replaced(
    client: TestClient, given: str
) -> None:
    answer = client.post("/echo", headers={"X-Request-ID": given})
    assert len(answer.headers["X-Request-ID"]) == 36


@pytest.mark.parametrize("path", ["/echo", "/nowhere"])
def test_every_answer_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.post(path).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize(
    ("path", "line"),
    [("/fail", "GET /fail 500"), ("/a%0Ab", "GET /a%0Ab 404")],
)
def test_each_request_is_one_line_of_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture, path: str, line: str
) -> None:
    with caplog.at_level(logging.INFO, "src.serving.access"):
        client.get(path, headers={"X-Request-ID": "trace-7"})
    (message,) = [r.getMessage() for r in caplog.records if "access" in r.name]
    assert message.startswith(line)
    assert message.endswith("trace-7")
    assert "\n" not in message


def chunks(size: int) -> Iterator[bytes]:
    """A body that is sent in pieces, without its length being announced."""
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("size", [0, LIMIT])
def test_a_body_within_the_limit_arrives_whole(client: TestClient, size: int) -> None:
    for content in (b"x" * size, chunks(size)):
        assert client.post("/echo", content=content).json()["bytes"] == size


@pytest.mark.parametrize("size", [LIMIT + 100, 100 * LIMIT])
def test_a_body_beyond_the_limit_is_refused(client: TestClient, size: int) -> None:
    for content in (b"x" * size, chunks(size)):
        answer = client.post("/echo", content=content)
        assert answer.status_code == 413
        assert f"larger than {LIMIT} bytes" in answer.json()["detail"]
        assert "X-Request-ID" in answer.headers


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_caller_that_goes_away_is_not_answered(anyio_backend: str) -> None:
    async def app(*_: Any) -> None:
        raise AssertionError("not to be reached")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        raise AssertionError("nobody listens")

    scope = {"type": "http", "headers": []}
    await BodyLimitMiddleware(app, LIMIT)(scope, receive, send)

"""The contract as middleware, for whatever speaks ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from src.serving.messages import Header, Refused, Response
from src.serving.middleware import GONE, SECURITY_HEADERS, Exchange, Gate
from src.serving.service import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeader = tuple[bytes, bytes]


class Gone(Exception):
    """The caller went away before its request had arrived."""


class ContractMiddleware:
    """Answers the routes of the contract; all others pass, through the same gate."""

    def __init__(self, app: App, gate: Gate) -> None:
        """Take the application that answers what is not in the contract."""
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gate = self._gate
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        exchange = gate.enter(scope["method"], scope["path"], headers)
        try:
            if limit := gate.check(exchange):
                exchange.request.body = await self._read(exchange, receive, limit)
            gate.begin(exchange)
            # All that have arrived by now are counted before the first is worked on.
            await asyncio.sleep(0)
            if exchange.route is None:
                await self._pass_on(exchange, scope, receive, send)
                return
            if exchange.is_slow:
                response = await asyncio.to_thread(gate.answer, exchange)
            else:
                response = gate.answer(exchange)
        except Refused as refused:
            response = refused.response()
        except Gone:
            gate.finish(exchange, Response(GONE, b""))
            return
        except asyncio.CancelledError:
            gate.finish(exchange, Response(503, b""))
            raise
        except Exception:
            response = gate.failed(exchange)
            if exchange.is_finished:  # too late for another answer: this one breaks off
                raise
        await _send(response, gate.finish(exchange, response), send)

    async def _read(self, exchange: Exchange, receive: Receive, limit: int) -> bytes:
        """Return the body.

        Raises:
            Refused: 413 if it is too large, 408 if it takes too long.
            Gone: If the caller goes away.
        """
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(self._gate.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    part = message.get("body", b"")
                    more = message.get("more_body", False)
                    size += len(part)
                    self._gate.hold(exchange, size, limit)
                    parts.append(part)
        except TimeoutError:
            raise self._gate.too_slow() from None
        return b"".join(parts)

    async def _pass_on(
        self, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the application answer, with the headers of every answer added."""
        is_given = False

        async def receive_again() -> Message:
            nonlocal is_given
            if is_given:
                return await receive()
            is_given = True
            return {"type": "http.request", "body": exchange.request.body}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ended = Response(message["status"], b"")
                added = _raw(self._gate.finish(exchange, ended))
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self._app(scope, receive_again, send_with_headers)


class ContractFirst:
    """Answers the contract before an application of a framework is asked.

    What a framework does for each request, whatever answers it, takes a good part of
    the time of a prediction, and may keep some of its memory.
    """

    def __init__(self, app: App, service: Service) -> None:
        """Take the application that all other requests go to, and the service."""
        self._app = app
        self._paths = frozenset(route.path for route in service.routes)
        self._contract = ContractMiddleware(app, service.gate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the life of the process from its start to its end."""
        is_ours = scope["type"] == "http" and scope["path"] in self._paths
        await (self._contract if is_ours else self._app)(scope, receive, send)


async def _send(response: Response, headers: list[Header], send: Send) -> None:
    """Send an answer."""
    raw = [
        (b"content-type", response.media_type.encode("latin-1")),
        (b"content-length", b"%d" % len(response.body)),
        *_raw(headers),
    ]
    if response.headers:
        raw += _raw(response.headers)
    start = {"type": "http.response.start", "status": response.status, "headers": raw}
    await send(start)
    await send({"type": "http.response.body", "body": response.body})


def _raw(headers: Iterable[Header]) -> list[RawHeader]:
    """Return headers as ASGI has them."""
    return [FIXED.get(header) or _encoded(header) for header in headers]


def _encoded(header: Header) -> RawHeader:
    """Return a header as ASGI has it."""
    name, value = header
    return name.lower().encode("latin-1"), value.encode("latin-1")


# The headers that are in every answer are encoded once.
FIXED = {header: _encoded(header) for header in SECURITY_HEADERS}

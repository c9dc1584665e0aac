"""What happens to every request and answer, whatever the route: plain ASGI.

From the outside in: the request gets an identifier, the answer its security headers,
both are logged in one line, and a body that is too large is refused.
"""

import logging
import re
import time
import uuid
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "X-Request-ID"
# One that a proxy has given is kept, if it can stand in a log line and a header.
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# See https://owasp.org/www-project-secure-headers/ for what each one prevents.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# Bodies up to this many times the limit are read to their end before they are refused.
DISCARDED_FACTOR = 8

access_log = logging.getLogger("src.serving.access")


class RequestIdMiddleware:
    """Give each request an identifier: in ``scope["state"]`` and in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application to wrap."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if ACCEPTED_ID.fullmatch(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)


class SecurityHeadersMiddleware:
    """Add the headers that keep browsers and caches from misusing an answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application to wrap."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class AccessLogMiddleware:
    """Log one line a request; nothing of its body, which may be personal data."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application to wrap."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500  # what the server answers if the application raises

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            access_log.info(
                "%s %s %d %.1f ms %s",
                scope["method"],
                quote(scope["path"]),  # a line break in it would forge a log line
                status,
                1000 * (time.perf_counter() - start),
                scope["state"]["request_id"],
            )


class BodyLimitMiddleware:
    """Answer 413 to a body that is larger than allowed, and keep none of it.

    The rest of a body that is not far too large is read, because many clients look at
    the answer only when they have sent everything.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        """Take the application to wrap and the largest body it may be given."""
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = b""
        size = int(Headers(scope=scope).get("content-length", "0"))
        if size <= DISCARDED_FACTOR * self.max_bytes:
            size, more = 0, True
            while more and size <= DISCARDED_FACTOR * self.max_bytes:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                chunk = message.get("body", b"")
                size += len(chunk)
                body = body + chunk if size <= self.max_bytes else b""
                more = message.get("more_body", False)
        if size > self.max_bytes:
            detail = f"the body is larger than {self.max_bytes} bytes"
            await JSONResponse({"detail": detail}, 413)(scope, receive, send)
            return
        is_given = False

        async def receive_again() -> Message:
            nonlocal is_given
            if is_given:
                return await receive()
            is_given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive_again, send)

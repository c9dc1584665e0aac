"""What happens around every request: identifier, log, metrics, headers."""

import re
import time
from datetime import UTC, datetime
from uuid import uuid4

from prometheus_client import Histogram
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.utils.logging import REQUEST_ID

# One that a proxy has given is kept, if it can stand in a log line and a header.
ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# See https://owasp.org/www-project-secure-headers/ for what each one prevents.
SECURITY_HEADERS = [
    *((b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")),
    *((b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY")),
]
LOG_LINE = (
    '{"time": "%s", "level": "INFO", "logger": "access", "message": "answered", '
    '"request_id": "%s", "method": "%s", "path": "%s", "status": %d, '
    '"milliseconds": %.2f}'
)
REQUESTS = Histogram(
    "http_request_duration_seconds",
    "How long requests took.",
    ["route", "status"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10),
)


class Observed:
    """Names, measures and logs requests, and adds headers to every answer. The log has
    nothing of what was asked or answered, or of who asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        if not ACCEPTED_ID.fullmatch(given):
            given = uuid4().hex.encode()
        REQUEST_ID.set(given.decode())
        headers = [(b"x-request-id", given), *SECURITY_HEADERS]
        if scope["app"].state.draining:
            headers.append((b"connection", b"close"))
        status, start = 500, time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:  # which is logged further out
            if status == 500:  # no answer has begun
                answer = JSONResponse({"detail": "Internal Server Error"}, 500)
                await answer(scope, receive, send_with_headers)
            raise
        finally:
            seconds = time.perf_counter() - start
            # The path as the code has it: those that callers make up are not kept.
            route = getattr(scope.get("route"), "path", "other")
            REQUESTS.labels(route, status).observe(seconds)
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            values = (now, given.decode(), scope["method"], route, status)
            print(LOG_LINE % (*values, 1000 * seconds), flush=True)

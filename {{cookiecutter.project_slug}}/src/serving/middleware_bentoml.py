"""What BentoML leaves to its users: a key, what a body may be, a gentle end."""

import logging
import os
import re
import secrets
import signal
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from threading import Event, Timer
from types import FrameType
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.utils.config import LoggingSettings
from src.utils.logging import REQUEST_ID, setup_logging

# Read as bentoml is imported: nothing is told to anybody, unless somebody wants to.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

# See https://owasp.org/www-project-secure-headers/ for what each one prevents.
SECURITY_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
# One that a proxy has given is kept, if it can stand in a log line and a header.
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
JSON = "application/json"
draining = Event()

# What is refused is no defect: the log needs no traceback, and not what was sent.
REFUSALS = ("ValidationError", "ServiceUnavailable")
logging.getLogger("bentoml._internal.server.http_app").addFilter(
    lambda record: not (
        record.exc_info
        and record.exc_info[0]
        and record.exc_info[0].__name__ in REFUSALS
    )
)


def drain_first(seconds: float) -> None:
    """Answer for a while after SIGTERM, so that callers can go elsewhere."""
    end = signal.getsignal(signal.SIGTERM)
    if not callable(end):  # no server has started the service
        return

    def drain(number: int, frame: FrameType | None) -> None:
        draining.set()
        Timer(seconds, end, (number, frame)).start()

    signal.signal(signal.SIGTERM, drain)


def log_as_all(settings: LoggingSettings) -> None:
    """Send what BentoML logs where the rest of the project does, in its format."""
    setup_logging(settings)
    for name in ("bentoml", "uvicorn.error"):  # BentoML has given them handlers
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").setLevel("WARNING")  # BentoML says it, too


def media_type(headers: Mapping[str, str]) -> str:
    """Return the type of a body; it is JSON, as with BentoML, if nothing is said."""
    return headers.get("content-type", JSON).partition(";")[0].strip()


class Guard:
    """Refuses what must not reach the service, in the form of BentoML's own errors."""

    def __init__(
        self,
        app: ASGIApp,
        keys: Sequence[bytes],
        max_bytes: int,
        media_types: Mapping[str, Sequence[str]],
    ) -> None:
        """Take the keys that callers may have, how large a body may be, and its type.

        ``media_types`` has the paths that take another type than JSON.
        """
        self.app, self.keys, self.max_bytes = app, keys, max_bytes
        self.media_types = media_types

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        headers = [*SECURITY_HEADERS]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                last = [(b"connection", b"close")] if draining.is_set() else []
                message["headers"] = [*message["headers"], *headers, *last]
            await send(message)

        # BentoML takes requests to an API by POST alone; GET is for probes and pages.
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send_with_headers)
            return
        request = Request(scope, receive)
        named = request.headers.get("x-request-id", "")
        REQUEST_ID.set(named if ACCEPTED_ID.fullmatch(named) else uuid4().hex)
        headers.append((b"x-request-id", REQUEST_ID.get().encode()))
        given = request.headers.get("x-api-key", "").encode()
        # Each one is compared, and to its end: the time must not tell how much fits.
        if self.keys and not sum(secrets.compare_digest(given, k) for k in self.keys):
            how = {"WWW-Authenticate": "APIKey"}
            refusal = JSONResponse({"error": "Not authenticated"}, 401, how)
            await refusal(scope, receive, send_with_headers)
            return
        taken = self.media_types.get(scope["path"], [JSON])
        if media_type(request.headers) not in taken:
            content = {"error": f"Content-Type must be {' or '.join(taken)}"}
            refusal = JSONResponse(content, 415)
            await refusal(scope, receive, send_with_headers)
            return
        # Behind a mark BentoML takes no table for an address, which it would fetch.
        mark = BOM_UTF8 if scope["path"] in self.media_types else b""
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self.max_bytes:
                    content = {
                        "error": f"the body has more than {self.max_bytes} bytes"
                    }
                    refusal = JSONResponse(content, 413)
                    await refusal(scope, receive, send_with_headers)
                    return
        except ClientDisconnect:
            return

        async def whole() -> Message:
            return {"type": "http.request", "body": mark + body}

        await self.app(scope, whole, send_with_headers)

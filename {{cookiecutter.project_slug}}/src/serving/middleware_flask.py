"""What happens around every request: identifier, log, metrics, headers, its body."""

import json
import re
import time
from datetime import UTC, datetime
from uuid import uuid4

from flask import Flask, Response, g, request
from prometheus_client import Histogram
from werkzeug import exceptions

from src.utils.logging import REQUEST_ID

# One that a proxy has given is kept, if it can stand in a log line and a header.
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# See https://owasp.org/www-project-secure-headers/ for what each one prevents.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
REQUESTS = Histogram(
    "http_request_duration_seconds",
    "How long requests took.",
    ["route", "status"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10),
)


def observe(app: Flask) -> None:
    """Name, measure and log requests, and add headers to every answer. The log has
    nothing of what was asked or answered, or of who asked."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-ID", "")
        REQUEST_ID.set(given if ACCEPTED_ID.fullmatch(given) else uuid4().hex)
        g.start = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        seconds = time.perf_counter() - g.start
        # The path as the code has it: those that callers make up are not kept.
        route = request.url_rule.rule if request.url_rule else "other"
        REQUESTS.labels(route, response.status_code).observe(seconds)
        response.headers.update(SECURITY_HEADERS)
        response.headers["X-Request-ID"] = REQUEST_ID.get()
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "INFO",
            "logger": "access",
            "message": "answered",
            "request_id": REQUEST_ID.get(),
            "method": request.method,
            "path": route,
            "status": response.status_code,
            "milliseconds": round(1000 * seconds, 2),
        }
        print(json.dumps(line), flush=True)
        return response


def content_of(*media_types: str) -> bytes:
    """Return the body; 415 if it is of another type, 413 if it is too large."""
    if request.mimetype not in media_types:
        needed = f"Content-Type must be {' or '.join(media_types)}."
        raise exceptions.UnsupportedMediaType(needed)
    content = request.get_data()
    # A body whose length was not said is cut at the limit, which none may reach.
    if request.content_length is None and len(content) == request.max_content_length:
        raise exceptions.RequestEntityTooLarge
    return content

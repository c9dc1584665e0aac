"""The contract as middleware, for whatever speaks WSGI."""

import errno
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any

from src.serving.messages import Refused, Response
from src.serving.middleware import GONE, Exchange, Gate

Given = dict[str, Any]
App = Callable[[Given, Any], Iterable[bytes]]

# Of the headers, these alone do not begin with HTTP_ in WSGI.
UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")
PREFIX = "HTTP_"
CHUNK_BYTES = 64 * 1024


class Gone(ConnectionResetError):
    """The caller went away before its request was there."""

    def __init__(self) -> None:
        """Say so as a socket would, so that the server writes no traceback."""
        super().__init__(errno.ECONNRESET, "the caller went away")


class ContractMiddleware:
    """Answers the routes of the contract; all others pass, through the same gate."""

    def __init__(self, app: App, gate: Gate) -> None:
        """Take the application that answers what is not in the contract."""
        self._app = app
        self._gate = gate

    def __call__(self, given: Given, start_response: Any) -> Iterable[bytes]:
        """Handle one request."""
        gate = self._gate
        method = given["REQUEST_METHOD"]
        exchange = gate.enter(method, _path(given), _headers(given))
        try:
            if limit := gate.check(exchange):
                exchange.request.body = self._body(given, exchange, limit)
            gate.begin(exchange)
            if exchange.route is None:
                return self._pass(given, start_response, exchange)
            response = gate.answer(exchange)
        except Gone:
            gate.finish(exchange, Response(GONE, b""))
            raise
        except Refused as refused:
            response = refused.response()
        except Exception:
            response = gate.failed(exchange)
        headers = [
            ("Content-Type", response.media_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
            *gate.finish(exchange, response),
        ]
        start_response(_status(response.status), headers)
        return [] if method == "HEAD" else [response.body]

    def _body(self, given: Given, exchange: Exchange, limit: int) -> bytes:
        """Read the body.

        Raises:
            Refused: 413 if it is too large, 408 if it takes too long.
            Gone: If the caller goes away.
        """
        gate, stream = self._gate, given["wsgi.input"]
        end = time.monotonic() + gate.body_seconds
        if connection := given.get("gunicorn.socket"):
            connection.settimeout(gate.body_seconds)
        parts: list[bytes] = []
        size = 0
        try:
            while part := stream.read(CHUNK_BYTES):
                size += len(part)
                gate.hold(exchange, size, limit)
                parts.append(part)
                if time.monotonic() > end:
                    raise gate.too_slow()
        except TimeoutError:
            raise gate.too_slow() from None
        except OSError:
            raise Gone from None
        finally:
            if connection:
                connection.settimeout(None)
        if size < int(given.get("CONTENT_LENGTH") or 0):
            raise Gone
        return b"".join(parts)

    def _pass(
        self, given: Given, start_response: Any, exchange: Exchange
    ) -> Iterable[bytes]:
        """Let the application answer."""
        request = exchange.request
        given["wsgi.input"] = BytesIO(request.body)
        given["CONTENT_LENGTH"] = str(len(request.body))
        given["HTTP_X_REQUEST_ID"] = request.request_id

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            response = Response(int(status.split(maxsplit=1)[0]), b"")
            ours = self._gate.finish(exchange, response)
            return start_response(status, [*headers, *ours], *error)

        return self._app(given, start)


def _path(given: Given) -> str:
    """Return the path, which WSGI gives as if it were Latin-1."""
    path: str = given.get("PATH_INFO", "")
    return path.encode("latin-1").decode("utf-8", "replace")


def _headers(given: Given) -> dict[str, str]:
    """Return the headers by their names in lower case."""
    headers = {
        name[len(PREFIX) :].replace("_", "-").lower(): value
        for name, value in given.items()
        if name.startswith(PREFIX)
    }
    for name in UNPREFIXED:
        if given.get(name):
            headers[name.replace("_", "-").lower()] = given[name]
    return headers


def _status(status: int) -> str:
    """Return a status as WSGI wants it."""
    return f"{status} {HTTPStatus(status).phrase}"

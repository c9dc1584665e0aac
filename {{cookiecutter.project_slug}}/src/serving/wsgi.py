"""The contract as WSGI middleware, for Flask and whatever else speaks WSGI."""

import errno
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any

from src.serving.messages import Refused, Response
from src.serving.middleware import GONE, Exchange, Gate

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]

# Of the headers, these alone do not begin with HTTP_ in WSGI.
UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")
PREFIX = "HTTP_"


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

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Handle one request."""
        gate = self._gate
        method = environ["REQUEST_METHOD"]
        exchange = gate.enter(method, _path(environ), _headers(environ))
        try:
            exchange.request.body = self._body(environ, gate.check(exchange))
            gate.begin(exchange)
            if exchange.route is None:
                return self._pass(environ, start_response, exchange)
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

    def _body(self, environ: Environ, limit: int) -> bytes:
        """Read the body.

        Raises:
            Refused: If it is larger than allowed; no more of it is read.
            Gone: If it ends too early.
        """
        if limit == 0:
            return b""
        try:
            body: bytes = environ["wsgi.input"].read(limit + 1)
        except OSError:
            raise Gone from None
        if len(body) > limit:
            raise self._gate.too_large(limit)
        if len(body) < int(environ.get("CONTENT_LENGTH") or 0):
            raise Gone
        return body

    def _pass(
        self, environ: Environ, start_response: Any, exchange: Exchange
    ) -> Iterable[bytes]:
        """Let the application answer."""
        request = exchange.request
        environ["wsgi.input"] = BytesIO(request.body)
        environ["CONTENT_LENGTH"] = str(len(request.body))
        environ["HTTP_X_REQUEST_ID"] = request.request_id

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            response = Response(int(status.split(maxsplit=1)[0]), b"")
            ours = self._gate.finish(exchange, response)
            return start_response(status, [*headers, *ours], *error)

        return self._app(environ, start)


def _path(environ: Environ) -> str:
    """Return the path, which WSGI gives as if it were Latin-1."""
    path: str = environ.get("PATH_INFO", "")
    return path.encode("latin-1").decode("utf-8", "replace")


def _headers(environ: Environ) -> dict[str, str]:
    """Return the headers by their names in lower case."""
    headers = {
        name[len(PREFIX) :].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }
    for name in UNPREFIXED:
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


def _status(status: int) -> str:
    """Return a status as WSGI wants it."""
    return f"{status} {HTTPStatus(status).phrase}"

"""What happens to every request and answer, whatever the route and the framework.

A framework's adapter (``asgi.py``, ``wsgi.py``) takes each request through the gate::

    exchange = gate.enter(method, path, headers)
    try:
        limit = gate.check(exchange)           # wrong method, key or size: Refused
        exchange.request.body = ...            # at most ``limit`` bytes, else too_large
        gate.begin(exchange)                   # too much under way: Refused
        response = gate.answer(exchange)       # calls the handler of the route
    except Refused as refused:
        response = refused.response()
    except Exception:
        response = gate.failed(exchange)
    headers = gate.finish(exchange, response)  # log, metrics; all headers of the answer
"""

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from threading import Lock

from src.serving.access_log import AccessLog
from src.serving.keys import ApiKeys
from src.serving.messages import Header, Refused, Request, Response, Route
from src.serving.metrics import Metrics
from src.serving.settings import ServingSettings

REQUEST_ID = "X-Request-ID"
MODEL_VERSION = "X-Model-Version"
API_KEY = "X-API-Key"
# One that a proxy has given is kept, if it can stand in a log line and a header.
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# See https://owasp.org/www-project-secure-headers/ for what each one prevents.
SECURITY_HEADERS: tuple[Header, ...] = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
RETRY = (("Retry-After", "1"),)
# A larger body takes so long to read that single rows must not wait for it.
LARGE_BODY = 64 * 1024
# How many slow requests run or wait at a time.
MAX_SLOW = 2
# What answers even when there is too much to do: an orchestrator would restart it.
ALWAYS = ("/health", "/ready", "/metrics")
# The client went away before its request was there; nginx logs it so.
GONE = 499

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Exchange:
    """A request and what the gate knows about it.

    Attributes:
        request: Its body is empty until the adapter has read it.
        route: None if it is none of the contract.
        started: When it came.
        is_slow: Whether it runs in a thread.
        is_counted: Whether it is one of those under way.
        held: How many bytes of its body are counted, if it is a large one.
        is_finished: Whether it was noted how it ended.
    """

    request: Request
    route: Route | None
    started: float
    is_slow: bool = False
    is_counted: bool = False
    held: int = 0
    is_finished: bool = False


class Gate:
    """Lets requests in and answers out.

    Attributes:
        is_draining: Whether the service is to end: it answers, but tells callers to
            go elsewhere.
        in_flight: How many requests are being worked on.
        body_seconds: How long a body may take to arrive.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        serving: ServingSettings,
        keys: ApiKeys,
        metrics: Metrics,
        access_log: AccessLog,
        model_version: Callable[[], str],
    ) -> None:
        """Take the contract, what limits it, and where to note what happened."""
        self.is_draining = False
        self.in_flight = 0
        self.body_seconds = serving.body_seconds
        self._slow = 0
        self._held = 0
        self._lock = Lock()
        self._serving = serving
        self._keys = keys
        self._metrics = metrics
        self._access_log = access_log
        self._model_version = model_version
        self._largest = max(route.max_bytes for route in routes)
        self._routes = {(route.method, route.path): route for route in routes}
        for route in list(self._routes.values()):
            if route.method == "GET":
                self._routes["HEAD", route.path] = route
        # Unique among processes and restarts; nobody gains by guessing one.
        metrics.in_flight.set_function(lambda: self.in_flight)
        self._prefix = os.urandom(6).hex()
        self._numbers = count(1)

    def enter(self, method: str, path: str, headers: Mapping[str, str]) -> Exchange:
        """Note that a request has come.

        Args:
            method: In upper case.
            path: Decoded, without the query.
            headers: By their names in lower case.
        """
        request_id = headers.get("x-request-id")
        if request_id is None or not ACCEPTED_ID.fullmatch(request_id):
            request_id = f"{self._prefix}-{next(self._numbers):x}"
        request = Request(method, path, headers, b"", request_id)
        route = self._routes.get((method, path))
        return Exchange(request, route, time.perf_counter())

    def check(self, exchange: Exchange) -> int:
        """Refuse what needs no body to be refused.

        Returns:
            How many bytes the body may have.

        Raises:
            Refused: 405, 401 or 413.
        """
        request, route = exchange.request, exchange.route
        if route is None:
            allowed = [m for m, path in self._routes if path == request.path]
            if allowed:
                headers = (("Allow", ", ".join(sorted(allowed))),)
                raise Refused(405, f"{request.method} is not allowed here", headers)
        # What a team adds is protected like predictions, rather than open by mistake.
        if route is None or route.protected:
            self._check_key(request)
        limit = self._serving.max_body_bytes if route is None else route.max_bytes
        length = request.headers.get("content-length")
        if limit and length and not (length.isdecimal() and int(length) <= limit):
            raise _too_large(limit)
        return limit

    def hold(self, exchange: Exchange, size: int, limit: int) -> None:
        """Account for a body of which ``size`` bytes have arrived.

        Raises:
            Refused: 413 if that is more than ``limit``, 503 if large bodies of many
                requests would fill the memory.
        """
        if size > limit:
            raise _too_large(limit)
        if size <= LARGE_BODY:
            return
        with self._lock:
            self._held += size - exchange.held
            exchange.held = size
            is_full = self._held > MAX_SLOW * self._largest
        if is_full:
            raise Refused(503, "too many large bodies at a time; try again", RETRY)

    def too_slow(self) -> Refused:
        """Return the refusal of a body that did not arrive in time."""
        detail = f"the body did not arrive within {self.body_seconds:g} seconds"
        return Refused(408, detail, (("Connection", "close"),))

    def begin(self, exchange: Exchange) -> None:
        """Count the request, whose body is there, among those under way.

        Raises:
            Refused: 503, if there are as many as allowed.
        """
        if exchange.request.path in ALWAYS:
            return
        route = exchange.route
        is_slow = len(exchange.request.body) > LARGE_BODY
        exchange.is_slow = is_slow or (route is not None and route.is_slow)
        with self._lock:
            if self.in_flight >= self._serving.max_in_flight or (
                exchange.is_slow and self._slow >= MAX_SLOW
            ):
                raise Refused(503, "too many requests at a time; try again", RETRY)
            self.in_flight += 1
            self._slow += exchange.is_slow
        exchange.is_counted = True

    def answer(self, exchange: Exchange) -> Response:
        """Return what the handler of the route answers.

        Raises:
            Refused: As the handler decides.
        """
        if exchange.route is None:
            raise Refused(404, "there is nothing at this path")
        return exchange.route.handler(exchange.request)

    def failed(self, exchange: Exchange) -> Response:
        """Log the exception that is being handled, and return the answer to it."""
        request_id = exchange.request.request_id
        logger.exception("request %s failed", request_id)
        return Refused(500, f"internal error; request {request_id}").response()

    def finish(self, exchange: Exchange, response: Response) -> list[Header]:
        """Note how a request ended.

        Args:
            exchange: As :meth:`enter` gave it.
            response: The answer; of one that a framework made itself, a response with
                its status.

        Returns:
            The headers that every answer has, without those that ``response`` brings;
            the ones for the type and length of the body are still to be added.
        """
        version = response.model_version or self._model_version()
        if not exchange.is_finished:
            exchange.is_finished = True
            self._note(exchange, response, version)
        headers = [
            (REQUEST_ID, exchange.request.request_id),
            (MODEL_VERSION, version),
            *SECURITY_HEADERS,
        ]
        if self.is_draining:
            headers.append(("Connection", "close"))
        if response.headers:  # which may have its own view of a header
            given = dict(response.headers)
            headers = [(name, value) for name, value in headers if name not in given]
        return headers

    def _note(self, exchange: Exchange, response: Response, version: str) -> None:
        """Write down how a request ended, and make room for others."""
        with self._lock:
            self._held -= exchange.held
            if exchange.is_counted:
                self.in_flight -= 1
                self._slow -= exchange.is_slow
        request, route = exchange.request, exchange.route
        seconds = time.perf_counter() - exchange.started
        path = "other" if route is None else route.path
        self._metrics.finished(request.method, path, response.status, seconds)
        self._access_log.add(
            *(request.request_id, request.method, path),
            *(response.status, seconds, len(response.body), version),
        )

    def _check_key(self, request: Request) -> None:
        """Refuse a request without a valid API key, where one is configured."""
        if not self._keys.allow(request.headers.get("x-api-key")):
            detail = f"the header {API_KEY} is missing or wrong"
            raise Refused(401, detail, (("WWW-Authenticate", "ApiKey"),))


def _too_large(limit: int) -> Refused:
    """Return the refusal of a body that is larger than ``limit``."""
    return Refused(413, f"the body is larger than {limit} bytes")

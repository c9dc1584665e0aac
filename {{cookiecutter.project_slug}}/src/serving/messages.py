"""What every way of serving shares: a request, its answer, and what a route is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import to_json

JSON = "application/json"

Problem = dict[str, Any]
Header = tuple[str, str]


@dataclass(slots=True)
class Request:
    """A request whose body has arrived.

    Attributes:
        method: As sent, in upper case.
        path: Decoded, without the query.
        headers: By their names in lower case.
        body: All of it.
        request_id: Under which the log knows it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    request_id: str


class Response(NamedTuple):
    """An answer, without the headers that every answer has.

    Attributes:
        status: Of HTTP.
        body: What is sent.
        media_type: What the body is.
        headers: Further ones.
        model_version: Of the model that answered; None for the champion's.
    """

    status: int
    body: bytes
    media_type: str = JSON
    headers: tuple[Header, ...] = ()
    model_version: str | None = None


class Refused(Exception):
    """A request that is not served as it is; becomes an answer."""

    def __init__(
        self,
        status: int,
        detail: str | list[Problem],
        headers: tuple[Header, ...] = (),
        model_version: str | None = None,
    ) -> None:
        """Take the status, what is wrong for the caller, and further headers."""
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.headers = headers
        self.model_version = model_version

    def response(self) -> Response:
        """Return the answer, ``{"detail": …}`` for every error there is."""
        body = to_json({"detail": self.detail})
        return Response(self.status, body, JSON, self.headers, self.model_version)


class Route(NamedTuple):
    """A request of the contract, and what answers it.

    Attributes:
        method: The one allowed.
        path: Without parameters.
        handler: Makes the answer; may raise :class:`Refused`.
        protected: Whether an API key is asked for, where one is configured.
        max_bytes: The largest body; 0 where none is read.
        is_slow: Whether it may take so long that others must not wait for it.
    """

    method: str
    path: str
    handler: Callable[[Request], Response]
    protected: bool = True
    max_bytes: int = 0
    is_slow: bool = False

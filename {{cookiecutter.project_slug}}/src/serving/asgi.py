"""The contract as ASGI middleware, for FastAPI and whatever else speaks ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from src.serving.messages import Refused, Response
from src.serving.middleware import GONE, Exchange, Gate
from src.serving.service import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gone(Exception):
    """The caller went away."""


class ContractMiddleware:
    """Answers the routes of the contract; all others pass, through the same gate."""

    def __init__(self, app: App, service: Service) -> None:
        """Take the application that answers what is not in the contract."""
        self._app = app
        self._gate = service.gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        raise NotImplementedError

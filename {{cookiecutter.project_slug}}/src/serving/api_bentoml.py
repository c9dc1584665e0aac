"""Predictions over HTTP with BentoML: the contract, in a service of its kind.

Run as a module, it listens where ``config/serving_config.yaml`` says::

    python -m src.serving.api

The commands of BentoML take it as ``src.serving.api:Predictions``. The contract is in
``service.py``, and ``asgi.py`` carries it. What a team adds to :class:`Predictions`,
such as a method with ``@bentoml.api``, passes the same gate: it needs the API key, and
its bodies have the same limit.
"""

from typing import Any

# First, because bentoml reads variables when it is imported.
from src.serving import bentoml_environment  # noqa: F401

import bentoml

from src.serving.asgi import (
    App,
    ContractFirst,
    ContractMiddleware,
    Receive,
    Scope,
    Send,
)
from src.serving.messages import Refused
from src.serving.server import serve
from src.serving.service import Service, make_service
from src.serving.settings import load_serving_settings
from src.utils.cli import config_parser, run, settings_from


class Contract:
    """The contract as middleware, with a service that lives as long as the process."""

    def __init__(self, app: App, service: Service | None = None) -> None:
        """Take what answers all other requests; the service is made if it is None."""
        self._app = app
        self._service = service or make_service()
        self._contract = ContractMiddleware(app, self._service.gate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the life of the process from its start to its end."""
        if scope["type"] != "lifespan":
            await self._contract(scope, receive, send)
            return
        self._service.start()
        try:
            await self._app(scope, receive, send)
        finally:
            self._service.stop()


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404 in the form of the contract, where BentoML has nothing either."""
    response = Refused(404, "there is nothing at this path").response()
    headers = [
        (b"content-type", response.media_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
    ]
    start = {"type": "http.response.start", "status": 404, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": response.body})


@bentoml.service(
    workers=1,
    # The contract has its own metrics and its own access log.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # What an orchestrator of BentoML asks.
    endpoints={"livez": "/health", "readyz": "/ready"},
)
@bentoml.asgi_app(nothing)
class Predictions:
    """Predictions of the champion."""


# What the decorators make of the class, which type checkers do not see.
SERVICE: Any = Predictions


def main() -> None:
    """Listen until a signal ends the process; requests under way are answered."""
    settings = settings_from(config_parser(__doc__).parse_args())
    serving = load_serving_settings()
    service = make_service(settings, serving)
    SERVICE.add_asgi_middleware(Contract, service=service)
    app = ContractFirst(SERVICE.to_asgi(is_main=False), service)
    serve(app, service.gate, serving)


if __name__ == "__main__":
    run(main)
else:  # for the commands of BentoML
    SERVICE.add_asgi_middleware(Contract)

"""Predictions over HTTP with FastAPI.

Run as a module, it listens where ``config/serving_config.yaml`` says::

    python -m src.serving.api

The contract is in ``service.py``, and ``asgi.py`` carries it, before FastAPI looks at
a request: what FastAPI does for each one takes longer than a prediction. What a team
adds to the application in :func:`create_app` passes the same gate: it needs the API
key, and its bodies have the same limit.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from src.serving import openapi
from src.serving.asgi import ContractFirst, ContractMiddleware, Receive, Scope, Send
from src.serving.server import serve
from src.serving.service import Service, make_service
from src.serving.settings import ServingSettings, load_serving_settings
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings


class Application(FastAPI):
    """FastAPI with the contract before it, and in its description."""

    def __init__(self, service: Service, **options: Any) -> None:
        """Take the service, and what FastAPI takes."""
        super().__init__(**options)
        self.state.service = self._service = service
        service.describe = self.openapi
        # What a team adds passes the same gate.
        self.add_middleware(ContractMiddleware, gate=service.gate)
        self._answer = ContractFirst(super().__call__, service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the life of the process from its start to its end."""
        await self._answer(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document of the contract and of what a team adds."""
        return openapi.merged(self._service.document(), super().openapi())


def create_app(
    settings: Settings | None = None, serving: ServingSettings | None = None
) -> FastAPI:
    """Return the application; ``@app.get`` and the like add to the contract.

    It loads its model when a server starts it. Without a model it starts as well, says
    so at ``/ready`` and answers 503, because an orchestrator is to see that rather than
    a process that starts again and again.

    Args:
        settings: Where models are; read from the configuration files if None.
        serving: How to serve; read from the configuration files if None.

    Returns:
        The application, to be run by any ASGI server; ``app.state.service`` is what
        answers in it.

    Raises:
        ConfigError: If a configuration file is not valid.
    """
    service = make_service(settings, serving)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    # The service describes itself, and has its page instead of Swagger's from a CDN.
    return Application(service, openapi_url=None, lifespan=lifespan)


def main() -> None:
    """Listen until a signal ends the process; requests under way are answered."""
    settings = settings_from(config_parser(__doc__).parse_args())
    serving = load_serving_settings()
    app = create_app(settings, serving)
    serve(app, app.state.service.gate, serving)


if __name__ == "__main__":
    run(main)

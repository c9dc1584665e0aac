"""Predictions over HTTP with Flask, on the threads of one process of gunicorn.

Run as a module, it listens where ``config/serving_config.yaml`` says::

    python -m src.serving.api

The contract is in ``service.py``, and ``wsgi.py`` carries it. What a team adds to the
application in :func:`create_app` passes the same gate: it needs the API key, and its
bodies have the same limit.
"""

import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from selectors import EVENT_READ
from types import FrameType
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from werkzeug.exceptions import HTTPException

from src.serving.middleware import REQUEST_ID
from src.serving.service import Service, make_service
from src.serving.settings import ServingSettings, load_serving_settings
from src.serving.wsgi import CHUNK_BYTES, ContractMiddleware
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings

# Beyond those that may work, some threads, so that one is free to say "too many".
SPARE_THREADS = 8
KEEP_ALIVE_SECONDS = 5
# How often the end of the process looks for connections that are not used any more.
POLL_SECONDS = 0.2
# How long a connection that ends stays open for a caller who has not read it all, and
# how long one that nobody uses is kept at the end.
LINGER_SECONDS = 1.0
# In memory, where there is such a place: all other places may be read-only.
SHARED_MEMORY = Path("/dev/shm")


def create_app(service: Service) -> Flask:
    """Return the application; ``@app.get`` and the like add to the contract.

    Args:
        service: What answers the routes of the contract.
    """
    app = Flask(__name__, static_folder=None)
    # Flask's own way to wrap an application, which its types do not know.
    app.wsgi_app = ContractMiddleware(  # type: ignore[assignment, method-assign]
        app.wsgi_app, service.gate
    )

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        """Say what is wrong in the form of the contract."""
        detail = error.description
        if error.code == 500:
            detail = f"internal error; request {request.headers[REQUEST_ID]}"
        return {"detail": detail}, error.code or 500

    return app


# Gunicorn carries no types, so that its classes count as Any: hence the ignores below.


class ProjectLogger(Logger):  # type: ignore[misc]
    """Leaves the log of gunicorn to the handlers of the project."""

    def setup(self, cfg: Any) -> None:
        """Pass all records on."""
        self.error_log.propagate = True


class Worker(ThreadWorker):  # type: ignore[misc]
    """Answers all who are connected when the process is to end, and no others."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self.app.service.gate.is_draining = True
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop to listen at the end: whoever comes later is to go elsewhere at once."""
        super().set_accept_enabled(enabled)
        if self.alive:
            return
        for listener in self.sockets:
            before = -1
            while before != self.nr_conns:  # who is in the queue already is let in
                before = self.nr_conns
                self.accept(listener)
            listener.close()
        last = time.monotonic() + LINGER_SECONDS
        for conn in self.keepalived_conns:
            conn.timeout = min(conn.timeout, last)

    def handle(self, conn: Any) -> Any:
        """Answer on a connection; see that it can be closed at once if it is to be.

        Gunicorn closes connections in the thread that accepts others, and waits there
        for callers to close theirs.
        """
        is_kept = super().handle(conn)
        if not is_kept:
            _wait_for_end(conn.sock)
        return is_kept

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """Keep a connection, at the end, too, whose last answer did not end it.

        The caller may have sent another request by now.
        """
        if self.alive or fs.exception() or not fs.result():
            super().finish_request(conn, fs)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + LINGER_SECONDS
        self.keepalived_conns.append(conn)
        readable = partial(self.on_client_socket_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, readable)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for something to do, and not for the whole time that there is."""
        super().wait_for_and_dispatch_events(min(timeout, POLL_SECONDS))

    def run(self) -> None:
        """Answer until a signal comes, and what is under way then."""
        super().run()
        self.app.service.stop()


class Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn, with one process that answers."""

    service: Service

    def __init__(self, settings: Settings, serving: ServingSettings) -> None:
        """Take the settings; the service is made in the process that answers."""
        self._settings = settings
        self._serving = serving
        super().__init__()

    def load_config(self) -> None:
        """Say how to listen."""
        serving = self._serving
        options = {
            "bind": f"{serving.host}:{serving.port}",
            "worker_class": Worker,
            "workers": 1,
            "threads": serving.max_in_flight + SPARE_THREADS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "graceful_timeout": max(1, round(serving.drain_seconds)),
            "logger_class": ProjectLogger,
            "worker_tmp_dir": str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the application, which follows the registry from now on."""
        self.service = make_service(self._settings, self._serving)
        self.service.start()
        return create_app(self.service)


def _wait_for_end(connection: socket.socket) -> None:
    """Let a caller read the answer and go, for a moment; then cut the connection."""
    end = time.monotonic() + LINGER_SECONDS
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(LINGER_SECONDS)
        while connection.recv(CHUNK_BYTES) and time.monotonic() < end:
            pass
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """Listen until a signal ends the process; requests under way are answered."""
    settings = settings_from(config_parser(__doc__).parse_args())
    Server(settings, load_serving_settings()).run()


if __name__ == "__main__":
    run(main)

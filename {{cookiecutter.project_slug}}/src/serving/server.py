"""Uvicorn that loses no request when it ends."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from src.serving.middleware import Gate
from src.serving.settings import ServingSettings

# How long an unused connection is kept. Balancers that keep theirs for a minute, as
# most do, must be the ones to close it: a request may be on its way when we do.
KEEP_ALIVE_SECONDS = 75
POLL_SECONDS = 0.05
# How long new callers are let in at the end, as others learn late that they are to go
# elsewhere, and how long connections stay that nobody uses.
LAST_SECONDS = 1.0

logger = logging.getLogger(__name__)


def serve(app: Any, gate: Gate, serving: ServingSettings) -> None:
    """Listen until a signal ends the process, with status 0.

    Args:
        app: Of ASGI.
        gate: What its requests pass; it is told when the process is to end.
        serving: Where to listen, and how long requests under way are waited for.
    """
    # For a signal before the server listens, and the one that it raises when it ended.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    config = uvicorn.Config(
        app,
        host=serving.host,
        port=serving.port,
        log_config=None,
        access_log=False,  # the gate writes it, with the identifier
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=round(LAST_SECONDS),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ws="none",
    )
    DrainingServer(config, gate, serving.drain_seconds).run()


class DrainingServer(uvicorn.Server):
    """Answers all who ask before it closes their connections.

    From the signal on, each answer says that its connection ends, so that callers go
    elsewhere; who comes is still let in for a moment. The server ends when nobody is
    connected any more, when all who are have asked nothing for a moment, or after some
    time.
    """

    def __init__(self, config: uvicorn.Config, gate: Gate, seconds: float) -> None:
        """Take how to listen, what is told to drain, and the longest time for that."""
        super().__init__(config)
        self._gate = gate
        self._seconds = seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self._gate.is_draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then end as uvicorn does."""
        self._gate.is_draining = True
        logger.info("about to end, in %g seconds at the latest", self._seconds)
        await self._until_unused(min(self._seconds, LAST_SECONDS))
        await self._stop_listening()
        await self._until_unused(max(self._seconds - LAST_SECONDS, LAST_SECONDS))
        await super().shutdown(sockets)

    async def _until_unused(self, seconds: float) -> None:
        """Wait until nobody is connected or asks, for so long at most."""
        state, answered = self.server_state, -1
        now = used = time.monotonic()
        end = now + seconds
        while state.connections and not self.force_exit and now < end:
            if state.tasks or state.total_requests != answered:
                answered, used = state.total_requests, now
            elif now - used >= LAST_SECONDS:
                return
            await asyncio.sleep(POLL_SECONDS)
            now = time.monotonic()

    async def _stop_listening(self) -> None:
        """Close the door, and let in who stands before it.

        Callers in the queue of the system are connected as far as they know, and have
        sent their requests; to close it cuts them off.
        """
        doors = [
            socket.socket(fileno=os.dup(listener.fileno()))
            for server in self.servers
            for listener in server.sockets
        ]
        for server in self.servers:
            server.close()
        callers = []
        for door in doors:
            door.setblocking(False)
            with door, contextlib.suppress(BlockingIOError):
                while True:
                    callers.append(door.accept()[0])
        loop = asyncio.get_running_loop()
        for caller in callers:
            await loop.connect_accepted_socket(self._protocol, caller)

    def _protocol(self) -> asyncio.Protocol:
        """Return what speaks HTTP on a new connection."""
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        state = self.server_state
        return make(self.config, state, app_state=self.lifespan.state)


def _leave(*_: Any) -> None:
    """End the process, which has nothing under way."""
    sys.exit(0)

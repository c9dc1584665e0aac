"""How the server ends: with an answer to everybody who has asked."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from src.serving import server
from src.serving.server import DrainingServer

ASK = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


class Running:
    """A server in a thread, and what it answers: whether its gate is draining."""

    def __init__(self, seconds: float) -> None:
        self.gate: Any = SimpleNamespace(is_draining=False)
        config = uvicorn.Config(
            *(self.answer, "127.0.0.1", 0),
            log_config=None,
            interface="asgi3",
            lifespan="off",
            timeout_graceful_shutdown=0,
        )
        self.server = DrainingServer(config, self.gate, seconds)
        self.busy, self.free = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        self.address = self.server.servers[0].sockets[0].getsockname()

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            self.busy.set()
            while not self.free.is_set():
                await asyncio.sleep(0.01)
        body = repr(self.gate.is_draining).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        if self.gate.is_draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=5)

    def signal(self) -> None:
        self.server.handle_exit(signal.SIGTERM, None)

    def is_over(self, within: float) -> bool:
        self.thread.join(within)
        return not self.thread.is_alive()


MOMENT = 0.5


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Running]]:
    """A function that starts a server, which drains for so many seconds at most."""
    monkeypatch.setattr(server, "LAST_SECONDS", MOMENT)
    started: list[Running] = []

    def start(seconds: float) -> Running:
        started.append(Running(seconds))
        return started[-1]

    yield start
    for running in started:
        running.free.set()
        running.server.force_exit = running.server.should_exit = True
        running.thread.join()


def ask(caller: socket.socket, path: bytes = b"") -> bytes:
    caller.sendall(ASK % path)
    return read(caller)


def read(caller: socket.socket) -> bytes:
    """Return an answer, which ends with True or False."""
    answer = b""
    while not answer.endswith(b"e"):
        part = caller.recv(4096)
        assert part, f"the connection ended after {answer!r}"
        answer += part
    return answer


def test_a_server_that_nobody_uses_ends_at_once(run: Callable[..., Running]) -> None:
    running = run(10)
    running.signal()
    assert running.is_over(within=2)


def test_who_is_connected_is_answered_and_then_told_to_go(
    run: Callable[..., Running],
) -> None:
    running = run(10)
    with running.connect() as idle, running.connect() as other:
        assert ask(idle).endswith(b"False") and ask(other).endswith(b"False")
        running.signal()
        time.sleep(0.3)
        for caller in (idle, other):
            answer = ask(caller)
            assert answer.endswith(b"True") and b"connection: close" in answer
            assert caller.recv(1) == b""
    assert running.is_over(within=2)


def test_what_is_under_way_is_finished(run: Callable[..., Running]) -> None:
    running = run(10)
    with running.connect() as caller:
        caller.sendall(ASK % b"slow")
        running.busy.wait()
        running.signal()
        assert not running.is_over(within=0.3)
        running.free.set()
        assert read(caller).endswith(b"True")
    assert running.is_over(within=2)


def test_who_comes_in_the_first_moment_is_let_in(run: Callable[..., Running]) -> None:
    running = run(10)
    with running.connect() as idle:
        ask(idle)
        running.signal()
        time.sleep(0.3)
        with running.connect() as late:
            assert ask(late).endswith(b"True")


def test_callers_who_never_stop_asking_do_not_keep_it_from_ending(
    run: Callable[..., Running],
) -> None:
    running = run(10)
    answers = []

    def keep_asking() -> None:
        with suppress(ConnectionRefusedError):
            while True:
                with running.connect() as caller:
                    answers.append(ask(caller))

    callers = [threading.Thread(target=keep_asking) for _ in range(3)]
    for caller in callers:
        caller.start()
    time.sleep(0.1)
    running.signal()
    assert running.is_over(within=4)
    for caller in callers:
        caller.join()
    assert answers[-1].endswith(b"True")


def test_who_stays_and_asks_nothing_is_not_waited_for(
    run: Callable[..., Running],
) -> None:
    running = run(10)
    with running.connect() as idle:
        ask(idle)
        running.signal()
        assert running.is_over(within=4)
        assert idle.recv(1) == b""


def test_what_is_under_way_is_not_waited_for_longer_than_allowed(
    run: Callable[..., Running],
) -> None:
    running = run(0.2)
    with running.connect() as caller:
        caller.sendall(ASK % b"slow")
        running.busy.wait()
        running.signal()
        assert running.is_over(within=4)


def test_who_stands_before_the_door_when_it_is_closed_is_let_in(
    run: Callable[..., Running],
) -> None:
    running = run(10)
    callers: list[socket.socket] = []

    def come() -> None:
        # While this runs, the loop accepts nobody: they queue in the system.
        for _ in range(5):
            callers.append(running.connect())
            callers[-1].sendall(ASK % b"")

    stop_listening = running.server._stop_listening

    async def close() -> None:
        come()
        await stop_listening()

    running.server._stop_listening = close  # type: ignore[method-assign]
    running.signal()
    assert running.is_over(within=4)
    for caller in callers:
        with caller:
            assert read(caller).endswith(b"True")

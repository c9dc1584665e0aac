"""HTTP/1.1 clients that know of each request what became of it.

One request at a time goes over each connection, which stays open, so that what was
sent and what was answered can be counted exactly.
"""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

HOST = "127.0.0.1"
PATH = "/v1/predict"
PATIENCE_SECONDS = 60.0
VERSION = re.compile(rb'"model_version": ?"([^"]*)"')


class Answer(NamedTuple):
    """An answer, read to its end."""

    status: int
    body: bytes
    closes: bool


class Kind(NamedTuple):
    """What answers are counted by: the request's number among those sent in turn."""

    request: int
    status: int
    body: bytes

    @property
    def version(self) -> str:
        """The version of the model that a prediction is by."""
        return str(json.loads(self.body)["model_version"])


@dataclass
class Tally:
    """What became of the requests.

    Attributes:
        sent: How many were sent to their end.
        answered: How many answers there were of each kind.
        lost: What happened to each request that was sent and not answered.
        switches: How often a connection saw another version than before.
    """

    sent: int = 0
    answered: Counter[Kind] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    switches: int = 0


def request(body: bytes, path: str = PATH) -> bytes:
    """Return a request with a body of JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer to its end.

    Raises:
        asyncio.IncompleteReadError: If the connection ends before.
    """
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.split(": ", 1) for line in lines[1:] if line)
    headers = {name.lower(): value for name, value in fields}
    body = await reader.readexactly(int(headers["content-length"]))
    closes = headers.get("connection", "").lower() == "close"
    return Answer(int(lines[0].split()[1]), body, closes)


async def send_all(
    port: int,
    requests: Sequence[bytes],
    total: int,
    connections: int,
    may_end: Callable[[], bool] = lambda: False,
) -> Tally:
    """Send requests in turn, each connection as fast as it is answered.

    Args:
        port: Where the server listens.
        requests: Each is sent as often as the others, and counted under its number.
        total: How many are sent over all connections.
        connections: How many there are.
        may_end: Whether the server may end by now: who is told that a connection
            closes, or is refused one, then sends the rest elsewhere.

    Returns:
        What became of them. A request counts as lost if its connection ends before
        its answer, whatever the reason.
    """
    tally = Tally()
    numbers = count()

    async def run() -> None:
        last = ""
        while True:
            try:
                reader, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                if may_end():
                    return
                raise
            try:
                while (number := next(numbers)) < total:
                    if reader.at_eof():  # told before anything was sent
                        break
                    index = number % len(requests)
                    writer.write(requests[index])
                    tally.sent += 1
                    answer = await asyncio.wait_for(
                        read_answer(reader), PATIENCE_SECONDS
                    )
                    tally.answered[Kind(index, answer.status, answer.body)] += 1
                    if answer.status == 200:
                        version = VERSION.search(answer.body)
                        found = version[1].decode() if version else ""
                        tally.switches += last not in ("", found)
                        last = found
                    if answer.closes and may_end():
                        return  # it goes elsewhere, as it was told
                    if answer.closes:
                        break
                else:
                    return
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                tally.lost.append(repr(error))
            finally:
                writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(run())
    return tally


async def latencies(port: int, body: bytes, seconds: float, rate: float) -> list[float]:
    """Return how long a steady client waited for each of its answers, sorted.

    Args:
        port: Where the server listens.
        body: The request.
        seconds: How long it asks.
        rate: Requests in a second; a late answer does not delay those that follow.
    """
    waited: list[float] = []
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask() -> None:
        start = time.perf_counter()
        reader, writer = (
            free.pop() if free else await asyncio.open_connection(HOST, port)
        )
        writer.write(body)
        answer = await asyncio.wait_for(read_answer(reader), PATIENCE_SECONDS)
        waited.append(time.perf_counter() - start)
        assert answer.status == 200, answer
        free.append((reader, writer))

    async with asyncio.TaskGroup() as group:
        began = time.perf_counter()
        for number in range(round(seconds * rate)):
            delay = began + number / rate - time.perf_counter()
            await asyncio.sleep(max(0.0, delay))
            group.create_task(ask())
    for _, writer in free:
        writer.close()
    return sorted(waited)


async def disconnect(port: int, body: bytes, until: asyncio.Event) -> int:
    """Break off in the middle of requests and of answers; return how often."""
    chance = random.Random(3)
    times = 0
    while not until.is_set():
        _, writer = await asyncio.open_connection(HOST, port)
        writer.write(body[: chance.randrange(1, len(body) + 1)])
        await asyncio.sleep(0.001)
        writer.transport.abort()
        times += 1
    return times


def malformed(body: bytes, number: int) -> list[bytes]:
    """Return bodies that are no request: cut off, changed, nested, of other types."""
    chance = random.Random(number)
    bodies = []
    for kind in range(number):
        match kind % 5:
            case 0:
                made = body[: chance.randrange(len(body))]
            case 1:
                place = chance.randrange(len(body))
                made = body[:place] + b"\xff\x00" + body[place:]
            case 2:
                made = b"[" * chance.randrange(1, 5000)
            case 3:
                made = chance.randbytes(chance.randrange(1, 500))
            case _:
                made = chance.choice([b"", b"null", b"1e999", b'"x"', b"[]", b"{}"])
        bodies.append(made)
    return bodies


def attack(port: int, body: bytes, number: int) -> tuple[Counter[int], int]:
    """Do all of that at once, in a process of its own.

    Args:
        port: Where the server listens.
        body: The body of a good request.
        number: How many malformed bodies are sent.

    Returns:
        How many answers there were with each status, and how many disconnections.
    """

    async def run() -> tuple[Counter[int], int]:
        until = asyncio.Event()
        whole = request(body)
        cut = [asyncio.create_task(disconnect(port, whole, until)) for _ in range(2)]
        wrong = [request(made) for made in malformed(body, number)]
        tally = await send_all(port, wrong, number, 4)
        until.set()
        times = await asyncio.gather(*cut)
        assert not tally.lost, tally.lost[:5]
        statuses: Counter[int] = Counter()
        for kind, times_answered in tally.answered.items():
            statuses[kind.status] += times_answered
        return statuses, sum(times)

    return asyncio.run(run())

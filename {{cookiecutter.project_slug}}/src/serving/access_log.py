"""One line a request, in JSON, and nothing of what was asked or answered."""

import logging
import sys
import time
from collections import deque
from threading import Event, Thread

FLUSH_SECONDS = 0.5

logger = logging.getLogger("src.serving.access")


class AccessLog:
    """Keeps what happened for a moment, and writes it from a thread of its own.

    Requests pay for a tuple; a formatted line costs ten times as much.
    """

    def __init__(self) -> None:
        """Write nothing until started."""
        self._entries: deque[tuple[str, str, str, int, float, int, str, float]] = (
            deque()
        )
        self._stopped = Event()
        self._thread: Thread | None = None

    def add(
        self,
        request_id: str,
        method: str,
        path: str,
        status: int,
        seconds: float,
        size: int,
        model_version: str,
    ) -> None:
        """Note one request."""
        self._entries.append(
            (request_id, method, path, status, seconds, size, model_version, time.time())
        )

    def start(self) -> None:
        """Write from now on, to standard output unless the logger has a handler."""
        if not logger.handlers:
            handler = logging.StreamHandler(sys.stdout)
            handler.setFormatter(logging.Formatter("%(message)s"))
            logger.addHandler(handler)
            logger.propagate = False
        self._stopped.clear()
        self._thread = Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()

    def flush(self) -> None:
        """Write what was noted so far."""
        lines = []
        while self._entries:
            lines.append(_line(*self._entries.popleft()))
        if lines:
            logger.info("\n".join(lines))

    def _run(self) -> None:
        """Write again and again."""
        while not self._stopped.wait(FLUSH_SECONDS):
            self.flush()


def _line(
    request_id: str,
    method: str,
    path: str,
    status: int,
    seconds: float,
    size: int,
    model_version: str,
    moment: float,
) -> str:
    """Return one line; no part of it can hold what JSON would have to escape."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return (
        f'{{"time": "{whole}.{int(moment % 1 * 1000):03d}Z", '
        f'"request_id": "{request_id}", "method": "{method}", "path": "{path}", '
        f'"status": {status}, "milliseconds": {1000 * seconds:.2f}, '
        f'"bytes": {size}, "model_version": "{model_version}"}}'
    )

"""One line a request, in JSON, and nothing of what was asked or answered."""

import logging
import sys
import time
from collections import deque
from threading import Event, Thread

FLUSH_SECONDS = 0.5
# None of the values can hold what JSON would have to escape.
LINE = (
    '{"time": "%s.%03dZ", "request_id": "%s", "method": "%s", "path": "%s", '
    '"status": %d, "milliseconds": %.2f, "bytes": %d, "model_version": "%s"}'
)

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
        now = time.time()
        self._entries.append(
            (request_id, method, path, status, seconds, size, model_version, now)
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
    """Return one line."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return LINE % (
        *(whole, int(moment % 1 * 1000), request_id, method, path),
        *(status, 1000 * seconds, size, model_version),
    )

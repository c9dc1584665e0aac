"""Which requests the challenger gets: in the champion's shadow, or as a canary.

In the shadow it predicts the same rows once the champion has answered, in a thread of
its own, and the two are compared. As a canary it answers callers itself.
"""

import json
import logging
import traceback
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple, TypeVar

from pydantic_core import to_json

from src.serving.follower import Models
from src.serving.metrics import Metrics
from src.serving.predictor import Predictor
from src.serving.settings import ServingSettings
from src.utils.errors import ModelError

# The way of a key must not depend on the process, as that of hash() does.
SALT = b"challenger"
HASHES = 2**64
WAITING_ROWS = 2000  # that the challenger is behind at most: a bound on memory, too
AGREEING_SHARE = 0.01  # by which two numbers may differ and count as the same
STOP_SECONDS = 5.0

Answer = dict[str, Any]
T = TypeVar("T")

logger = logging.getLogger(__name__)
shadow_log = logging.getLogger("src.serving.shadow")


class Task(NamedTuple):
    """What the challenger is to predict, and what the champion answered."""

    champion: Predictor
    challenger: Predictor
    rows: list[dict[str, Any]]
    answers: list[Answer]
    request_id: str


class Comparison(NamedTuple):
    """How two models answered the same rows.

    Attributes:
        rows: How many rows.
        disagreements: Rows with other labels, or numbers that are not nearly the same.
        largest_difference: Of a probability, or of a number as a share of it.
    """

    rows: int
    disagreements: int
    largest_difference: float


class Router:
    """Sends the challenger its share of the requests."""

    def __init__(self, serving: ServingSettings, metrics: Metrics) -> None:
        """Take what the challenger does, and where that is counted.

        A thread for the shadow is started if there is one; ``stop`` ends it.
        """
        self._metrics = metrics
        self._below = int(serving.challenger_share * HASHES)
        self._is_canary = serving.challenger == "canary"
        self._is_shadow = serving.challenger == "shadow"
        self._failures: set[tuple[str, str]] = set()
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._waiting = 0
        self._lock = Lock()
        self._thread = Thread(target=self._work, name="shadow", daemon=True)
        if self._is_shadow:
            self._thread.start()

    def choose(self, models: Models, key: str) -> Predictor:
        """Return the model that is to answer.

        Args:
            models: The loaded models, with a champion.
            key: The same key gets the same model, as long as both stay.

        Raises:
            ModelError: If there is no champion.
        """
        if self._is_canary and models.challenger is not None and self._is_sent(key):
            return models.challenger
        if models.champion is None:
            raise ModelError("no model is loaded; the log says why")
        return models.champion

    def answer(
        self, models: Models, key: str, work: Callable[[Predictor], T]
    ) -> tuple[Predictor, T]:
        """Let the model that is to answer do so, or the champion if that one fails.

        Args:
            models: As for ``choose``.
            key: As for ``choose``.
            work: Answers the request with a model. What it raises for the champion
                is raised here: a request that is wrong is so for both models.

        Returns:
            The model that answered, and its answer.

        Raises:
            ModelError: If there is no champion.
        """
        chosen = self.choose(models, key)
        if chosen is models.champion or models.champion is None:
            return chosen, work(chosen)
        try:
            answer = work(chosen)
        except Exception as error:  # whatever it is, the caller is to be answered
            answer = work(models.champion)
            self._metrics.sent_to_canary("failed")
            self._note_failure(chosen, error)
            return models.champion, answer
        self._metrics.sent_to_canary("answered")
        return chosen, answer

    def shadow(
        self,
        models: Models,
        rows: list[dict[str, Any]],
        answers: list[Answer],
        request_id: str,
    ) -> None:
        """Let the challenger predict the same rows, later; never waits, never raises.

        Args:
            models: The loaded models; the champion has answered.
            rows: As the champion's reader gave them; nobody may change them any more.
            answers: What it answered.
            request_id: Decides whether this request is one of the share.
        """
        if not self._is_shadow:
            return
        champion, challenger = models
        if champion is None or challenger is None or not self._is_sent(request_id):
            return
        with self._lock:
            # One request may hold more rows than may wait; alone it is welcome.
            is_full = self._waiting and self._waiting + len(rows) > WAITING_ROWS
            if not is_full:
                self._waiting += len(rows)
        if is_full:
            self._metrics.shadow_dropped.inc(len(rows))
        else:
            self._tasks.put(Task(champion, challenger, rows, answers, request_id))

    def stop(self) -> None:
        """End the shadow, once it has worked off what waits or time is up."""
        if self._thread.is_alive():
            self._tasks.put(None)
            self._thread.join(STOP_SECONDS)

    def _is_sent(self, key: str) -> bool:
        """Return whether a key is of the challenger's share."""
        content = key.encode("utf-8", "surrogatepass")
        digest = blake2b(content, digest_size=8, salt=SALT).digest()
        return int.from_bytes(digest) < self._below

    def _work(self) -> None:
        """Compare what waits, until there is nothing more to come."""
        while (task := self._tasks.get()) is not None:
            try:
                self._compare(task)
            except Exception:  # a defect, but none that may end the shadow
                logger.exception("request %s could not be compared", task.request_id)
            with self._lock:
                self._waiting -= len(task.rows)

    def _compare(self, task: Task) -> None:
        """Let the challenger predict, and log and count how it compares.

        Nothing of the rows is logged, and no text of an error, which may quote them.
        """
        line: dict[str, Any] = {
            "request_id": task.request_id,
            "champion": task.champion.version,
            "challenger": task.challenger.version,
            "rows": len(task.rows),
        }
        try:
            compared = compare(task.answers, _predict(task))
        except Exception as error:  # it is the challenger that is on trial
            line["failed"] = _place(error)
            self._metrics.shadowed("failed", len(task.rows))
        else:
            line |= compared._asdict()
            agreeing = compared.rows - compared.disagreements
            for agrees, rows in ("yes", agreeing), ("no", compared.disagreements):
                if rows:
                    self._metrics.shadowed(agrees, rows)
        shadow_log.info(json.dumps(line))

    def _note_failure(self, challenger: Predictor, error: Exception) -> None:
        """Log a failure of the challenger, each kind once."""
        failure = challenger.version, _place(error)
        if failure not in self._failures:
            self._failures.add(failure)
            message = "version %s, the challenger, failed and the champion answered: %s"
            logger.error(message, *failure)


def compare(ours: Sequence[Answer], theirs: Sequence[Answer]) -> Comparison:
    """Compare two models' answers to the same rows.

    Args:
        ours: The champion's.
        theirs: The challenger's.

    Raises:
        ValueError: If they are not of as many rows.
        KeyError: If ours are labels and theirs numbers.
        TypeError: If ours are numbers and theirs labels.
    """
    disagreements, largest = 0, 0.0
    for one, other in zip(ours, theirs, strict=True):
        first, second = one["prediction"], other["prediction"]
        if isinstance(first, str):
            before, now = one["probabilities"], other["probabilities"]
            difference = max(
                abs(before.get(label, 0.0) - now.get(label, 0.0))
                for label in before.keys() | now.keys()
            )
            disagreements += first != second
        else:
            size = max(abs(first), abs(second))
            difference = abs(first - second) / size if size else 0.0
            disagreements += not difference <= AGREEING_SHARE
        largest = max(largest, difference)
    return Comparison(len(ours), disagreements, largest)


def _predict(task: Task) -> list[Answer]:
    """Return the challenger's answers, to rows that its own schema allows.

    Raises:
        InvalidRequest: If the two schemas differ, and these rows break its own.
    """
    rows = task.rows
    if task.challenger.schema != task.champion.schema:
        rows = task.challenger.reader.read(to_json(rows))
    return task.challenger.predict(rows)


def _place(error: Exception) -> str:
    """Return what kind of error was raised where, without its text."""
    *_, frame = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"

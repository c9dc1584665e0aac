"""Follows the champion: the models that answer, always loaded, changed in one step.

A model is loaded beside the one that answers, and takes its place only when it has
answered the example of its own record. Requests under way keep the one they began with.
"""

import logging
import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from threading import Event, Lock, Thread
from typing import NamedTuple

from src.serving.metrics import Metrics, ModelInfo
from src.serving.predictor import Predictor
from src.serving.settings import ServingSettings
from src.serving.source import Candidate, ModelSource
from src.utils.files import stamp_of

START_SECONDS = 10.0  # the service is up after this, even if no model is there yet
STOP_SECONDS = 5.0
# What could not be fetched may come when the network does, which no file tells.
RETRY_SECONDS = 60.0

Load = Callable[[Path, str, ServingSettings], Predictor]

logger = logging.getLogger(__name__)


class Models(NamedTuple):
    """The loaded models. A new one replaces it when either changes."""

    champion: Predictor | None = None
    challenger: Predictor | None = None


class Refusal(NamedTuple):
    """Why a model is not used, and until when it is not tried again."""

    problem: str
    stamp: Hashable
    retry_at: float


class Follower:
    """Keeps the loaded models those that the source names.

    Attributes:
        models: What answers. Read it once a request, without a lock, and use that.
    """

    def __init__(
        self,
        source: ModelSource,
        serving: ServingSettings,
        metrics: Metrics,
        on_change: Callable[[Models], None] | None = None,
        load: Load = Predictor.load,
    ) -> None:
        """Take what to follow; nothing is loaded yet.

        Args:
            source: Says which models may answer.
            serving: How often it is asked, and whether the challenger is wanted.
            metrics: Refused models are counted there, those in use named.
            on_change: Called with the models whenever they have changed.
            load: Makes a predictor of a file, a version and the settings.
        """
        self.models = Models()
        self._source = source
        self._serving = serving
        self._metrics = metrics
        self._on_change = on_change
        self._load = load
        self._loaded: dict[tuple[str, str], Predictor] = {}
        self._refused: dict[tuple[str, str], Refusal] = {}
        self._problem = ""
        self._lock = Lock()
        self._has_looked = Event()
        self._is_stopped = Event()
        self._thread = Thread(target=self._follow, name="follower", daemon=True)

    def start(self) -> None:
        """Follow from now on; returns when the models are loaded, or it takes long."""
        self._thread.start()
        if not self._has_looked.wait(START_SECONDS):
            logger.warning("the source of models does not answer, it is waited for")

    def stop(self) -> None:
        """End the following; the models stay."""
        self._is_stopped.set()
        self._thread.join(STOP_SECONDS)

    def refresh(self) -> None:
        """Look once which models are to answer, and load what is not loaded yet.

        What fails is logged, and leaves the models that there are.
        """
        with self._lock:
            try:
                champion, challenger = self._source.candidates()
            except Exception as error:  # whatever it is, requests are to be answered
                self._note(f"cannot see which model is champion: {_line(error)}")
                return
            problem = "there is no champion, `make promote` makes one"
            self._note("" if champion else problem)
            if self._serving.challenger == "off":
                challenger = None
            wanted = {c.identity for c in (champion, challenger) if c}
            self._refused = {k: r for k, r in self._refused.items() if k in wanted}
            ours = self._predictor(champion) or self.models.champion
            # Before the challenger, which may be slow to come.
            beside = self._loaded.get(challenger.identity) if challenger else None
            self._use(Models(ours, beside))
            self._use(Models(ours, self._predictor(challenger)))

    def _follow(self) -> None:
        """Look again and again until the end."""
        while True:
            try:
                self.refresh()
            except Exception:  # a defect, but none that may end the following
                logger.exception("the models could not be looked after")
            self._has_looked.set()
            if self._is_stopped.wait(self._serving.refresh_seconds):
                return

    def _predictor(self, candidate: Candidate | None) -> Predictor | None:
        """Return the loaded model of a candidate; None if there is none."""
        if candidate is None:
            return None
        if candidate.identity in self._loaded:
            return self._loaded[candidate.identity]
        stamp = _stamp_of(candidate.path)
        if self._is_refused(candidate, stamp):
            return None
        retry_at = time.monotonic() + RETRY_SECONDS
        try:
            path = candidate.fetch()
            stamp, retry_at = _stamp_of(path), float("inf")
            predictor = self._load(path, candidate.version, self._serving)
        except Exception as error:  # whatever it is, the old model is to answer
            self._refuse(candidate, Refusal(_line(error), stamp, retry_at))
            return None
        self._loaded[candidate.identity] = predictor
        return predictor

    def _is_refused(self, candidate: Candidate, stamp: Hashable) -> bool:
        """Return whether a model was refused, and nothing has changed since."""
        refusal = self._refused.get(candidate.identity)
        return (
            refusal is not None
            and refusal.stamp == stamp
            and time.monotonic() < refusal.retry_at
        )

    def _refuse(self, candidate: Candidate, refusal: Refusal) -> None:
        """Write down that a model cannot be used; once, if it is tried again."""
        before = self._refused.get(candidate.identity)
        self._refused[candidate.identity] = refusal
        if before and before[:2] == refusal[:2]:
            return
        self._metrics.model_refused.inc()
        champion = self.models.champion
        still = f"version {champion.version} answers on" if champion else "none answers"
        problem = refusal.problem
        logger.error("version %s is refused, %s: %s", candidate.version, still, problem)

    def _use(self, models: Models) -> None:
        """Let these models answer from now on, if they are others."""
        if all(now is before for now, before in zip(models, self.models, strict=True)):
            return
        before, self.models = self.models, models
        self._loaded = {
            identity: predictor
            for identity, predictor in self._loaded.items()
            if any(predictor is used for used in models)
        }
        infos = list(_infos(models))
        self._metrics.use_models(infos)
        for info in set(infos) - set(_infos(before)):
            message = "version %s is the %s from now on (%s, sha256 %s)"
            logger.info(message, info.version, info.role, info.runtime, info.sha256)
        if self._on_change is not None:
            self._on_change(models)

    def _note(self, problem: str) -> None:
        """Log what is wrong with the source, once, and that it is well again."""
        if problem and problem != self._problem:
            logger.error("%s", problem)
        elif self._problem and not problem:
            logger.info("the champion can be seen again")
        self._problem = problem


def _infos(models: Models) -> Iterator[ModelInfo]:
    """Yield what the metrics and the log say of the models."""
    for role, predictor in models._asdict().items():
        if predictor is not None:
            digest = str(predictor.record["model_sha256"])
            yield ModelInfo(predictor.version, digest, predictor.engine.runtime, role)


def _stamp_of(path: Path) -> Hashable:
    """Return what is another once one of the files of a model has changed."""
    return tuple(stamp_of(file) for file in sorted(path.parent.glob(f"{path.stem}.*")))


def _line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__

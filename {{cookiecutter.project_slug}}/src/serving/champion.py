"""Follows the champion: the model that answers is always the one that is named."""

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from prometheus_client import Counter, Gauge
from pydantic import BaseModel

from src.data.schema import DataSchema
from src.models.artifact import load_record
from src.models.registry import Registry
from src.serving.model import Model
from src.serving.recording import PredictionLog
from src.serving.settings import ServingSettings
from src.utils.config import Settings
from src.utils.errors import DataError

START_SECONDS = 10.0  # the service is up after this, even if the registry is slow
INFO = Gauge("model_info", "The model in use.", ["version", "sha256", "runtime"])
REFUSED = Counter("model_refused", "Models that could not be loaded.")

logger = logging.getLogger(__name__)


class NoModel(DataError):
    """No model is loaded; the log says why."""


@dataclass
class Champion:
    """Keeps the loaded model the one that the registry, or ``model_path``, names.
    ``model`` is what answers, None until there is one. It is replaced in one step: read
    it once a request, and use that."""

    settings: Settings
    serving: ServingSettings
    schema: DataSchema
    row: type[BaseModel]
    model: Model | None = None
    log: PredictionLog = field(init=False)
    _registry: Registry | None = None
    _problem: str = ""
    _looked: Event = field(default_factory=Event)
    _stopped: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.log = PredictionLog(self.settings, self.schema)

    def loaded(self) -> Model:
        """Return the model that answers; ``NoModel`` if there is none."""
        if self.model is None:
            raise NoModel("no model is loaded; the log says why")
        return self.model

    def start(self) -> None:
        """Follow from now on; returns when a model is loaded, or it takes long."""
        Thread(target=self._follow, name="champion", daemon=True).start()
        self._looked.wait(START_SECONDS)
        gc.freeze()  # collections then skip what was imported, which takes 100 ms

    def stop(self) -> None:
        """End the following; the model stays."""
        self._stopped.set()
        self.log.close()

    def refresh(self) -> None:
        """Load the champion if it is another one; if that fails, the old one stays."""
        problem = ""
        try:
            version, fetch = self._named()
            if self.model is None or self.model.version != version:
                model = Model.load(fetch(), version, self.schema, self.row)
                for it, value in ((self.model, 0), (model, 1)):
                    if it is not None:
                        digest = it.record["model_sha256"]
                        INFO.labels(it.version, digest, it.runtime).set(value)
                self.model = model
                logger.info("version %s answers, by %s", version, model.runtime)
        except Exception as error:  # whatever it is, requests are to be answered
            problem = " ".join(f"{type(error).__name__}: {error}".split())
            if problem != self._problem:  # it is tried again and again, and said once
                REFUSED.inc()
                logger.error("no other model is loaded: %s", problem)
        self._problem = problem

    def _follow(self) -> None:
        """Look again and again until the end."""
        while not self._stopped.is_set():
            self.refresh()
            self._looked.set()
            self._stopped.wait(self.serving.refresh_seconds)

    def _named(self) -> tuple[str, Callable[[], Path]]:
        """Return the version that is to answer, and what fetches its file."""
        path, alias = self.serving.model_path, self.serving.alias
        if path is not None:
            return load_record(path)["model_sha256"][:12], lambda: path
        registry = self._registry = self._registry or Registry(self.settings)
        version = registry.at(alias)
        if version is None:
            how = "make promote" if alias == "champion" else f"make release ENV={alias}"
            raise DataError(f"the registry has no {alias}; `{how}` names one")
        return str(version.number), lambda: registry.fetch(version)

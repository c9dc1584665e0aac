"""Strategy pattern: the ways to train a model, interchangeable by configuration."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import optuna
from filelock import FileLock, Timeout
from numpy.typing import ArrayLike
from optuna import distributions as drawn
from pandas import DataFrame, Series
from tqdm import tqdm

from src.data.splitting import Keys
from src.evaluation.metrics import METRICS, PRIMARY
from src.models.base import BaseModel
from src.training.validation import Scores, cross_validate, make_folds, summarise
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError, ProjectError, reported

# The settings that a model depends on; paths and logging differ between machines.
DECISIVE = {"task", "seed", "preprocessing", "features", "model", "training"}

logger = logging.getLogger(__name__)


class TrainingStrategy(ABC):
    """A way to train a model."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = Keys()  # what holds the training rows together in the folds
        self.fold_scores: list[Scores] = []  # where the strategy measures them
        self.search: dict[str, Any] | None = None  # where the strategy makes one

    @abstractmethod
    def train(
        self, model: BaseModel, X_train: DataFrame, y_train: Series, **kwargs: ArrayLike
    ) -> BaseModel:
        """Return the model, fitted to all rows; ``kwargs`` as for ``model.fit``."""


class StandardTrainingStrategy(TrainingStrategy):
    """One fit to all rows."""

    def train(
        self, model: BaseModel, X_train: DataFrame, y_train: Series, **kwargs: ArrayLike
    ) -> BaseModel:
        return model.fit(X_train, y_train, **kwargs)


class CrossValidationStrategy(TrainingStrategy):
    """A fit to all rows, after one for each fold that says how well it will do."""

    def train(
        self, model: BaseModel, X_train: DataFrame, y_train: Series, **kwargs: ArrayLike
    ) -> BaseModel:
        folds = make_folds(self.settings, y_train, self.keys)
        self.fold_scores = cross_validate(model, X_train, y_train, folds, **kwargs)
        return model.fit(X_train, y_train, **kwargs)


class HyperparameterSearchStrategy(TrainingStrategy):
    """A fit to all rows with the parameters that do best on the folds. A search that
    was killed goes on where it was, in Optuna's ``models/search.db``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        kind = settings.model.type
        space = settings.search.space.get(kind, {})
        self.space = {name: _distribution(name, of) for name, of in space.items()}
        self.metric = PRIMARY[settings.task]
        if not self.space:
            where = f"config/model_config.yaml: search.space.{kind}: not found"
            raise ConfigError(where + ", expected ranges such as {low: 1, high: 10}")

    def train(
        self, model: BaseModel, X_train: DataFrame, y_train: Series, **kwargs: ArrayLike
    ) -> BaseModel:
        folds = make_folds(self.settings, y_train, self.keys)
        advice = "expected other ranges under search.space in config/model_config.yaml"
        with self._study((X_train, y_train, self.keys, kwargs)) as study:
            done = sum(trial.state.is_finished() for trial in study.trials)
            # What is left needs a seed of its own, or it would repeat what is done.
            study.sampler = optuna.samplers.TPESampler(seed=self.settings.seed + done)
            for _ in tqdm(range(done, self.settings.search.trials), "search"):
                trial = study.ask(self.space)
                try:
                    tried = model.clone(**trial.params)
                    scores = cross_validate(tried, X_train, y_train, folds, **kwargs)
                    if self.metric not in (found := summarise(scores)):
                        raise DataError(f"{self.metric} is not defined in any fold")
                    trial.set_user_attr("scores", scores)
                    study.tell(trial, found[self.metric]["mean"])
                except ProjectError as error:
                    logger.warning("trial %d: %s", trial.number, error)
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
            ended = [trial for trial in study.trials if trial.state.is_finished()]
            what = f"search: none of {len(ended)} trials could be fitted"
            with reported((ValueError,), what, advice):
                best = study.best_trial
        names = ("number", "params", "value", "state")
        told = [(t.number, t.params, t.value, t.state.name.lower()) for t in ended]
        trials = [dict(zip(names, line, strict=True)) for line in told]
        chosen = trials[ended.index(best)]
        self.search = {"metric": self.metric, "trials": trials, "best": chosen}
        self.fold_scores = best.user_attrs["scores"]
        return model.clone(**best.params).fit(X_train, y_train, **kwargs)

    @contextmanager
    def _study(self, data: object) -> Iterator[optuna.Study]:
        """Give the study that has a digest of all that decides the result as name."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        chosen = self.settings.model_dump(include=DECISIVE)
        higher = METRICS[self.metric].higher_is_better
        path = self.settings.paths.models / "search.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        what = f"{path}: cannot be used"
        advice = "wait for the process that uses it to end, or remove the file"
        failures = (Timeout, optuna.exceptions.StorageInternalError)
        with reported(failures, what, advice), FileLock(f"{path}.lock", timeout=0):
            # Each of the layers that open a file has errors of its own.
            with reported((Exception,), what, advice):
                study = optuna.create_study(
                    storage=f"sqlite:///{path}",
                    study_name=joblib.hash((data, chosen, str(self.space))),
                    direction="maximize" if higher else "minimize",
                    load_if_exists=True,
                )
                study.get_trials()
            yield study


def make_strategy(settings: Settings) -> TrainingStrategy:
    """Return the strategy that the configuration names."""
    strategies: dict[str, type[TrainingStrategy]] = {
        "standard": StandardTrainingStrategy,
        "cross_validation": CrossValidationStrategy,
        "hyperparameter_search": HyperparameterSearchStrategy,
    }
    return strategies[settings.training.strategy](settings)


def _distribution(name: str, found: dict[str, Any]) -> Any:
    """Return what a hyperparameter is drawn from: low and high, or choices."""
    whole = all(isinstance(found.get(end), int) for end in ("low", "high"))
    kind: Any = drawn.IntDistribution if whole else drawn.FloatDistribution
    if "choices" in found:
        kind = drawn.CategoricalDistribution
    what = f"config/model_config.yaml: search.space: {name}: found {found}"
    with reported((TypeError, ValueError), what, "expected a range", ConfigError):
        return kind(**found)

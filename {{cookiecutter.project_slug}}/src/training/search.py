"""The search for hyperparameters, with Optuna, on folds of the training rows.

The study is kept in ``models/search.db``: a search that was killed goes on where it
was. The same rows and settings give the same parameters, with any number of workers,
because trials are drawn in batches, each from the results of the batches before it.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState
from pandas import DataFrame, Series
from tqdm import tqdm

from src.evaluation.metrics import primary_metric
from src.models.base import BaseModel
from src.training.strategies import TrainingStrategy
from src.training.study import Direction, open_study
from src.training.validation import Folds, Scores, cross_validate, make_folds
from src.utils.config import RangeSettings, Settings
from src.utils.errors import ConfigError, ModelError

STUDY_FILE = "search.db"
SCORES = "scores"  # the metrics of the folds, kept with a trial
WARM_UP_TRIALS = 5
FEW_TRIALS = 4  # too few to tell which parameter matters

logger = logging.getLogger(__name__)


class Rowwise(NamedTuple):
    """The training rows, and what else a fit takes, one value per row."""

    X: DataFrame
    y: Series
    per_row: dict[str, ArrayLike]


class HyperparameterSearchStrategy(TrainingStrategy):
    """A fit to all rows with the parameters that do best between the folds.

    Attributes:
        search: What was tried and what came out, after training.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the space, and how it is searched.

        Raises:
            ConfigError: If there is no space for the type of the model.
        """
        super().__init__()
        self.settings = settings
        self.space = _space(settings)
        self.metric, higher_is_better = primary_metric(settings.task)
        self.direction: Direction = "maximize" if higher_is_better else "minimize"

    def train(
        self,
        model: BaseModel,
        X_train: DataFrame,
        y_train: Series,
        **kwargs: ArrayLike,
    ) -> BaseModel:
        """Search, then fit; see ``TrainingStrategy``.

        Raises:
            DataError: If there are fewer rows than folds.
            ModelError: If no trial could be fitted, another process searches, or
                ``search.db`` cannot be used.
        """
        folds = make_folds(self.settings, y_train)
        data = Rowwise(X_train, y_train, kwargs)
        path = self.settings.paths.models / STUDY_FILE
        with open_study(path, self._identity(data), self.direction) as study:
            self._run(study, model, data, folds)
            if not study.get_trials(states=(TrialState.COMPLETE,)):
                raise ModelError(
                    f"search: none of {len(study.trials)} trials could be fitted; "
                    "expected other ranges under search.space in "
                    "config/model_config.yaml"
                )
            # The trial has fitted the very folds: nothing is fitted twice.
            self.fold_scores = study.best_trial.user_attrs[SCORES]
            self.search = self._summary(study)
            best = model.with_params(**study.best_params)
        return best.fit(X_train, y_train, **kwargs)

    def _identity(self, data: Rowwise) -> str:
        """Return a name that all that decides the result goes into."""
        chosen = self.settings
        decisive = {
            "task": chosen.task,
            "seed": chosen.seed,
            "model": chosen.model.model_dump(mode="json"),
            "folds": chosen.training.folds,
            "split": chosen.preprocessing.split.method,
            "features": chosen.features.model_dump(mode="json"),
            "batch": chosen.search.batch,
            "space": [(name, repr(d)) for name, d in self.space.items()],
            "columns": [*map(str, data.X.columns), *sorted(data.per_row)],
        }
        digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
        per_row = {n: np.asarray(v) for n, v in sorted(data.per_row.items())}
        for part in (data.X.assign(**per_row), data.y):
            digest.update(
                pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes()
            )
        return digest.hexdigest()[:16]

    def _run(
        self,
        study: optuna.Study,
        model: BaseModel,
        data: Rowwise,
        folds: Folds,
    ) -> None:
        """Run the trials that are missing, batch by batch.

        The study holds finished trials only. Each batch is drawn, and pruned, in
        memory from the trials before it, so that one that a killed process has begun
        is drawn again as it was, and what is missing of it is run.
        """
        wanted, batch = self.settings.search.trials, self.settings.search.batch
        done = len(study.trials)
        with tqdm(total=wanted, initial=done, desc="search", unit="trial") as progress:
            while done < wanted:
                start = done // batch * batch
                drawn = self._draw(study, start, min(wanted, start + batch))
                results = Parallel(
                    self.settings.search.workers,
                    prefer="threads",
                    return_as="generator",
                )(
                    delayed(self._try)(t, model, data, folds)
                    for t in drawn[done - start :]
                )
                for finished in results:
                    study.add_trial(finished)
                    done += 1
                    progress.update()

    def _draw(self, study: optuna.Study, start: int, end: int) -> list[optuna.Trial]:
        """Return the trials ``start`` to ``end``, as the trials before decide them.

        Each is drawn with a seed of its own, so that it is the same in any process.
        """
        pruner = optuna.pruners.MedianPruner(WARM_UP_TRIALS, n_warmup_steps=1)
        memory = optuna.create_study(direction=self.direction, pruner=pruner)
        memory.add_trials(study.trials[:start])
        drawn = []
        for number in range(start, end):
            memory.sampler = optuna.samplers.TPESampler(
                seed=self.settings.seed + number
            )
            drawn.append(memory.ask(fixed_distributions=self.space))
        return drawn

    def _try(
        self,
        trial: optuna.Trial,
        model: BaseModel,
        data: Rowwise,
        folds: Folds,
    ) -> FrozenTrial:
        """Return a trial as it ended, its value the mean metric over the folds."""
        X, y, per_row = data
        means: dict[int, float] = {}
        state = TrialState.COMPLETE
        scores: list[Scores] = []
        try:
            candidate = model.with_params(**trial.params)
            for step, fold in enumerate(folds):
                scores += cross_validate(candidate, X, y, [fold], **per_row)
                means[step] = self._mean(scores)
                if step > 0:  # the pruner takes the best report, the easiest fold's
                    trial.report(means[step], step)
                if step + 1 < len(folds) and trial.should_prune():
                    state = TrialState.PRUNED
                    break
        except ModelError as error:
            logger.warning("trial %d: %s", trial.number, error)
            state = TrialState.FAIL
        return optuna.trial.create_trial(
            state=state,
            value=None if state == TrialState.FAIL else means[max(means)],
            params=trial.params,
            distributions=self.space,
            intermediate_values=means,
            user_attrs={SCORES: scores},
        )

    def _mean(self, scores: Sequence[Scores]) -> float:
        """Return the mean of the metric, over the folds where it is defined.

        Raises:
            ModelError: If it is defined in none.
        """
        values = [score[self.metric] for score in scores if self.metric in score]
        if not values:
            raise ModelError(f"{self.metric} is not defined in the first folds")
        return float(np.mean(values))

    def _summary(self, study: optuna.Study) -> dict[str, Any]:
        """Return the trials and the best of them, as JSON can hold them."""
        trials = [
            {
                "number": trial.number,
                "params": trial.params,
                "value": trial.value,
                "state": trial.state.name.lower(),
                "intermediate": [
                    v for _, v in sorted(trial.intermediate_values.items())
                ],
            }
            for trial in study.get_trials()
        ]
        return {
            "metric": self.metric,
            "trials": trials,
            "best": trials[study.best_trial.number],
            "importances": _importances(study, self.settings.seed),
        }


def _importances(study: optuna.Study, seed: int) -> dict[str, float]:
    """Return how much of the variation between trials each parameter explains."""
    values = {t.value for t in study.get_trials(states=(TrialState.COMPLETE,))}
    if len(values) < FEW_TRIALS:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def _space(settings: Settings) -> dict[str, BaseDistribution]:
    """Return what to try, for the configured type of model.

    Raises:
        ConfigError: If nothing is given.
    """
    kind = settings.model.type
    space = settings.search.space.get(kind)
    if not space:
        raise ConfigError(
            f"config/model_config.yaml: search.space.{kind}: not found, expected the "
            "hyperparameters to try, such as {low: 1, high: 10}"
        )
    return {name: _distribution(found) for name, found in space.items()}


def _distribution(found: RangeSettings) -> BaseDistribution:
    """Return a range or a list of choices as Optuna knows them."""
    if found.choices is not None:
        return CategoricalDistribution(found.choices)
    low, high = found.low, found.high
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=found.log)
    assert low is not None and high is not None  # RangeSettings sees to it
    return FloatDistribution(float(low), float(high), log=found.log)

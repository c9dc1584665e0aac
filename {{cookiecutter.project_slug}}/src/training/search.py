"""The search for hyperparameters, with Optuna, on folds of the training rows.

The study is kept in ``models/search.db``: a search that was killed goes on where it
was. The same rows and settings give the same parameters, with any number of workers,
because trials are drawn in batches, each from the results of the batches before it.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

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
from optuna.trial import TrialState
from pandas import DataFrame, Series
from tqdm import tqdm

from src.evaluation.metrics import primary_metric
from src.models.base import BaseModel
from src.training.strategies import TrainingStrategy
from src.training.validation import Rows, Scores, cross_validate, make_folds
from src.utils.config import RangeSettings, Settings
from src.utils.errors import ConfigError, ModelError

STUDY_FILE = "search.db"
WARM_UP_TRIALS = 5
FEW_TRIALS = 4  # too few to tell which parameter matters


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
        self.metric, self.higher_is_better = primary_metric(settings.task)
        optuna.logging.set_verbosity(optuna.logging.ERROR)

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
            ModelError: If no trial could be fitted.
        """
        settings = self.settings
        in_order = settings.preprocessing.split.method == "time"
        folds = make_folds(
            model.task, y_train, settings.training.folds, settings.seed, in_order
        )
        study = self._study(X_train, y_train)
        self._run(study, model, X_train, y_train, folds)
        finished = study.get_trials(states=(TrialState.COMPLETE,))
        if not finished:
            raise ModelError(
                f"search: none of {len(study.trials)} trials could be fitted; expected "
                "other ranges under search.space in config/model_config.yaml"
            )
        best = model.with_params(**study.best_params)
        self.fold_scores = cross_validate(best, X_train, y_train, folds, **kwargs)
        self.search = self._summary(study)
        return best.fit(X_train, y_train, **kwargs)

    def _study(self, X: DataFrame, y: Series) -> optuna.Study:
        """Return the study of these rows and settings, begun or not."""
        path = self.settings.paths.models / STUDY_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        return optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name=self._identity(X, y),
            direction="maximize" if self.higher_is_better else "minimize",
            pruner=optuna.pruners.MedianPruner(WARM_UP_TRIALS, n_warmup_steps=1),
            load_if_exists=True,
        )

    def _identity(self, X: DataFrame, y: Series) -> str:
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
            "space": {name: repr(d) for name, d in self.space.items()},
        }
        digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
        for part in (X, y):
            digest.update(pd.util.hash_pandas_object(part, index=False).to_numpy())
        return digest.hexdigest()[:16]

    def _run(
        self,
        study: optuna.Study,
        model: BaseModel,
        X: DataFrame,
        y: Series,
        folds: Sequence[tuple[Rows, Rows]],
    ) -> None:
        """Run the trials that are missing, batch by batch."""
        wanted, batch = self.settings.search.trials, self.settings.search.batch
        done = sum(trial.state.is_finished() for trial in study.trials)
        with tqdm(total=wanted, initial=done, desc="search", unit="trial") as progress:
            while done < wanted:
                drawn = self._draw(study, min(wanted, (done // batch + 1) * batch))
                results = Parallel(self.settings.search.workers, prefer="threads")(
                    delayed(self._try)(trial, model, X, y, folds) for trial in drawn
                )
                for trial, (value, state) in zip(drawn, results, strict=True):
                    study.tell(trial, value, state)
                done += len(drawn)
                progress.update(len(drawn))

    def _draw(self, study: optuna.Study, end: int) -> list[optuna.Trial]:
        """Return the trials up to number ``end`` that are to be run.

        Those that a killed process has left are run again with their parameters. Each
        is drawn with a seed of its own, so that it is the same in any process.
        """
        left = study.get_trials(states=(TrialState.RUNNING,))
        drawn = [optuna.Trial(study, trial._trial_id) for trial in left]
        for number in range(len(study.trials), end):
            study.sampler = optuna.samplers.TPESampler(seed=self.settings.seed + number)
            drawn.append(study.ask(fixed_distributions=self.space))
        return drawn

    def _try(
        self,
        trial: optuna.Trial,
        model: BaseModel,
        X: DataFrame,
        y: Series,
        folds: Sequence[tuple[Rows, Rows]],
    ) -> tuple[float | None, TrialState]:
        """Return the mean metric over the folds of a trial, and how it ended."""
        try:
            candidate = model.with_params(**trial.params)
        except ModelError:
            return None, TrialState.FAIL
        known = trial.storage.get_trial(trial._trial_id).intermediate_values
        scores: list[Scores] = []
        for step, fold in enumerate(folds):
            scores += cross_validate(candidate, X, y, [fold])
            value = self._mean(scores)
            if not np.isfinite(value):
                return None, TrialState.FAIL
            if step not in known:  # a killed process may have reported it
                trial.report(value, step)
            if step + 1 < len(folds) and trial.should_prune():
                return value, TrialState.PRUNED
        return value, TrialState.COMPLETE

    def _mean(self, scores: Sequence[Scores]) -> float:
        """Return the mean of the metric, over the folds where it is defined."""
        values = [score[self.metric] for score in scores if self.metric in score]
        return float(np.mean(values)) if values else float("nan")

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

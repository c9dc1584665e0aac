"""Train the configured model on the processed training rows, and save it.

Reads ``data/processed/train.csv``; writes the feature set
``data/features/train.parquet`` and the model ``models/latest_model.joblib`` with its
record ``latest_model.json``. Nothing is learned from the test rows; where the model is
exported, the export is held against it on their features.
"""

import logging
from importlib import import_module
from typing import Any

from pandas import DataFrame

from src.data.processed import MANIFEST_NAME, load_processed
from src.data.schema import DataSchema, load_schema
from src.data.typical import typical_row
from src.features.creation import FeatureCreator, create_features, feature_columns
from src.features.transformation import fitted_steps
from src.models.artifact import Record, load_record, save_model
from src.models.base import BaseModel
from src.models.factory import ModelFactory
from src.tracking.recording import record_model, record_training, tracking_of
from src.tracking.tracker import make_tracker
from src.training.base_trainer import ModelTrainingTemplate, TrainingData
from src.training.strategies import TrainingStrategy, make_strategy
from src.training.threshold import check_tunable, choose_threshold
from src.training.validation import cross_predict, make_folds, measure, summarise
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError, TrackingError
from src.utils.files import atomic_path, read_json

MODEL_FILE = "latest_model.joblib"
# The settings that the model depends on; paths and logging differ between machines.
DECISIVE = {"task", "seed", "preprocessing", "features", "model", "training"}

logger = logging.getLogger(__name__)


class ModelTrainer(ModelTrainingTemplate):
    """The training that the configuration describes."""

    def __init__(
        self,
        settings: Settings,
        schema: DataSchema,
        strategy: TrainingStrategy,
        run_id: str = "",
    ) -> None:
        """Take what to train, on which columns, and how.

        Args:
            settings: The model, its hyperparameters, and where everything goes.
            schema: The data contract.
            strategy: How the model is fitted.
            run_id: The run that is recorded, if one is.
        """
        self.settings = settings
        self.schema = schema
        self.strategy = strategy
        self.run_id = run_id
        self.threshold: float | None = None
        self.example: dict[str, Any] = {}

    def preprocess(self, data: DataFrame) -> TrainingData:
        """Create the features of the rows, and write them as the feature set.

        Raises:
            DataError: If a classification has rows of one label only.
        """
        target = data[self.schema.target]
        if self.settings.task == "classification" and target.nunique() < 2:
            raise DataError(
                f"the training rows have one value in the target column "
                f"{self.schema.target!r}; expected at least two to tell apart"
            )
        self.example = typical_row(data, self.schema)
        features = create_features(data, self.schema)
        path = self.settings.paths.features / "train.parquet"
        with atomic_path(path) as partial:
            features.assign(**{self.schema.target: target}).to_parquet(partial)
        return TrainingData(features, target)

    def build_model(self) -> BaseModel:
        """Return the configured model behind the steps that are fitted with it.

        Raises:
            ModelError: If the type or a hyperparameter is not possible.
        """
        settings = self.settings
        model = ModelFactory.get_model(
            settings.model.type,
            task=settings.task,
            seed=settings.seed,
            **settings.model.params,
        )
        return model.after(fitted_steps(settings.features, model.scaled))

    def train(self, model: BaseModel, processed_data: TrainingData) -> BaseModel:
        """Fit the model, then put the creation of features before it.

        Raises:
            DataError: If there are fewer rows than folds.
            ModelError: If a threshold cannot be tuned.
        """
        X, y = processed_data
        tuned = self.settings.training.decision_threshold == "tuned"
        if tuned:
            check_tunable(model.task, y)
        trained = self.strategy.train(model, X, y)
        if tuned:
            predictions = self.strategy.fold_predictions or cross_predict(
                trained, X, y, make_folds(self.settings, y)
            )
            self.threshold = choose_threshold(predictions)
            trained.with_threshold(self.threshold)
        creation = FeatureCreator(feature_columns(self.schema))
        return trained.after([("creation", creation)])

    def evaluate(self, trained_model: BaseModel, data: DataFrame) -> dict[str, Any]:
        """Measure the model on its own rows and, where there are folds, between them.

        Returns:
            ``train``: each metric on the rows fitted to, better than it will do;
            ``cross_validation``: mean and deviation over the folds; after a search,
            those by which it chose, so a little better than it will do.
        """
        target = data[self.schema.target]
        metrics: dict[str, Any] = {"train": measure(trained_model, data, target)}
        if self.strategy.fold_scores:
            metrics["cross_validation"] = summarise(self.strategy.fold_scores)
        return metrics

    def log(self, trained_model: BaseModel, metrics: dict[str, Any]) -> None:
        """Save the model with its export and record, and say what came out."""
        path = self.settings.paths.models / MODEL_FILE
        made = self._record(trained_model, metrics)
        export, made["export"] = self._export(trained_model)
        save_model(trained_model.pipeline, made, path, export)
        selection = trained_model.pipeline.named_steps["selection"]
        for name, reason in selection.dropped_.items():
            logger.info("left out feature %r: %s", name, reason)
        for part, values in metrics.items():
            logger.info("%s: %s", part, _readable(values))

    def _export(self, trained_model: BaseModel) -> tuple[bytes | None, Record | None]:
        """Return the export that the configuration asks for, and its record.

        Raises:
            ConfigError: If there is no such format.
        """
        name = self.settings.export.format
        if name == "none":
            return None, None
        module = import_module(f"src.models.{name}_export")
        made: tuple[bytes, Record] = module.make_export(
            trained_model.pipeline, self.threshold, self.settings, self.schema
        )
        return made

    def _record(self, trained_model: BaseModel, metrics: dict[str, Any]) -> Record:
        """Return what the model is and what made it."""
        selection = trained_model.pipeline.named_steps["selection"]
        return {
            "model_type": self.settings.model.type,
            "hyperparameters": trained_model.estimator.get_params(),
            "classes": trained_model.classes,
            "features": selection.features_,
            "left_out": selection.dropped_,
            "decision_threshold": self.threshold,
            "metrics": metrics,
            "search": self.strategy.search,
            "tracking": tracking_of(self.settings, self.run_id),
            "data": read_json(self.settings.paths.processed / MANIFEST_NAME),
            "configuration": self.settings.model_dump(mode="json", include=DECISIVE),
            "schema": self.schema.model_dump(mode="json"),
            "example": self.example,
        }


def _readable(values: dict[str, Any]) -> str:
    """Return metrics as ``name value`` pairs, with their deviation where known."""
    parts = []
    for name, value in values.items():
        if isinstance(value, dict):
            parts.append(f"{name} {value['mean']:.4g} ± {value['std']:.2g}")
        else:
            parts.append(f"{name} {value:.4g}")
    return ", ".join(parts)


def train(settings: Settings) -> BaseModel:
    """Train and save the model that ``settings`` describe.

    Returns:
        The fitted model.

    Raises:
        ConfigError: If the data schema is missing or not valid.
        DataError: If the processed rows are missing or changed, or teach nothing.
        ModelError: If the model type or a hyperparameter is not possible.
        TrackingError: If the run cannot be recorded; the message says whether the
            model is saved all the same.
    """
    schema = load_schema(settings.data.schema_path, settings)
    strategy = make_strategy(settings)
    rows = load_processed(settings, "train")
    logger.info("training %s on %d rows", settings.model.type, len(rows))
    tracker = make_tracker(settings)
    path = settings.paths.models / MODEL_FILE
    model = None
    try:
        with tracker.run(f"train {settings.model.type}") as run_id:
            model = ModelTrainer(settings, schema, strategy, run_id).run_pipeline(rows)
            record_training(tracker, run_id, load_record(path), strategy.fold_scores)
            features = rows.drop(columns=schema.target)
            record_model(tracker, run_id, model.pipeline, path, features)
    except TrackingError as error:
        if model is None:
            raise
        raise TrackingError(f"{error}; the model is saved, as {path}") from None
    return model


def main() -> None:
    """Train as configured on the command line."""
    settings = settings_from(config_parser(__doc__).parse_args())
    train(settings)
    print(f"{settings.paths.models / MODEL_FILE}: trained {settings.model.type}")
    print("next: python scripts/evaluation.py")


if __name__ == "__main__":
    run(main)

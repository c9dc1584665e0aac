"""Train the configured model on the processed training rows, and save it.

    python src/training/train.py --model-config config/model_config.yaml

Writes the feature set ``data/features/train.parquet`` and the model
``models/latest_model.joblib`` with its record. The test rows are not read.
"""

import logging
from pathlib import Path
from typing import Any

from pandas import DataFrame, Series, concat, json_normalize
from scipy.stats import entropy

from src.data.columns import example_row, rarer_class
from src.data.preprocessing import MANIFEST_NAME, load_processed
from src.data.schema import DataSchema, load_schema
from src.data.splitting import row_keys
from src.evaluation.metrics import compute_metrics
from src.features.creation import create_features, feature_columns
from src.features.transformation import fitted_steps
from src.models.artifact import save_model
from src.models.base import BaseModel
from src.models.export import make_export
from src.models.factory import ModelFactory
from src.tracking import tracker
from src.training.base_trainer import ModelTrainingTemplate, Processed
from src.training.strategies import DECISIVE, make_strategy
from src.training.validation import make_folds, summarise, tune_threshold
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError, reported
from src.utils.files import atomic_path, read_json
from src.utils.logging import RUN_ID
from sklearn.preprocessing import FunctionTransformer  # after src, which says why

MODEL_FILE = "latest_model.joblib"

logger = logging.getLogger(__name__)


class ModelTrainer(ModelTrainingTemplate):
    """The training that the configuration describes, on the columns of a schema."""

    def __init__(self, settings: Settings, schema: DataSchema) -> None:
        self.settings, self.schema = settings, schema
        self.strategy = make_strategy(settings)
        self.positive: str | None = None  # of two classes
        self.threshold: float | None = None  # if it is tuned
        self.rows = DataFrame()  # those fitted to, as they came
        self.run_id: str | None = None  # if the run is recorded
        self.saved: Path | None = None  # the model file, once it is written

    def preprocess(self, data: DataFrame) -> Processed:
        """Create the features of the rows, and write them as the feature set."""
        target = data[self.schema.target]
        if self.settings.task == "classification":
            self.positive = positive_class(target, self.schema)
        self.strategy.keys = row_keys(data, self.schema)
        self.rows = data[self.schema.features]
        features = create_features(self.rows, feature_columns(self.schema))
        path = self.settings.paths.data / "features" / "train.parquet"
        with atomic_path(path) as partial:
            concat([features, target], axis="columns").to_parquet(partial)
        return features, target

    def build_model(self) -> BaseModel:
        """Return the configured model behind the steps that are fitted with it."""
        settings, chosen = self.settings, self.settings.model
        arguments = {"task": settings.task, "seed": settings.seed, **chosen.params}
        model = ModelFactory.get_model(chosen.type, **arguments)
        two = self.positive and "binary"
        target = "continuous" if settings.task == "regression" else two
        steps = fitted_steps(settings.features, model.imputed, model.scaled, target)
        return model.after(steps)

    def train(self, model: BaseModel, processed_data: Processed) -> BaseModel:
        """Fit the model, then put the creation of features before it."""
        X, y = processed_data
        tuned = self.settings.training.decision_threshold == "tuned"
        if tuned and (model.task != "classification" or y.nunique() != 2):
            problem = f"'tuned' is for a target of two classes, not of {y.nunique()}"
            raise ConfigError(f"training.decision_threshold: {problem}; use default")
        model.positive = self.positive
        trained = self.strategy.train(model, X, y)
        if tuned:
            folds = make_folds(self.settings, y, self.strategy.keys)
            what = "training.decision_threshold: found 'tuned', which no fold can tell"
            with reported((ValueError, ConfigError), what, "set it to default"):
                self.threshold, scores = tune_threshold(trained, X, y, folds)
            trained.with_threshold(self.threshold)
            if self.strategy.fold_scores:  # at the threshold, as the other figures
                self.strategy.fold_scores = scores
        columns = {"columns": feature_columns(self.schema)}
        creation = FunctionTransformer(create_features, kw_args=columns)
        return trained.after([("creation", creation)])

    def evaluate(self, trained_model: BaseModel, data: DataFrame) -> dict[str, Any]:
        """Measure the model on its own rows and, where there are folds, on those."""
        said = trained_model.predictions(data, data[self.schema.target])
        metrics: dict[str, Any] = {"train": compute_metrics(said)}
        shares = data[self.schema.target].value_counts(normalize=True)
        guess, found = entropy(shares), metrics["train"].get("log_loss", 0)
        if found > 1.01 * guess:
            rare = ", ".join(f"{n!r} ({share:.2%})" for n, share in shares[-3:].items())
            others = f"a smaller learning_rate, or to merge {rare}"
            told = "log loss %.3g, %.3g by guessing: try l2_regularization: 1, %s"
            logger.warning(told, found, guess, others)
        if self.strategy.fold_scores:
            metrics["cross_validation"] = summarise(self.strategy.fold_scores)
        return metrics

    def log(self, trained_model: BaseModel, metrics: dict[str, Any]) -> None:
        """Save the model with its export and record, and say what came out."""
        pipeline, settings = trained_model.pipeline, self.settings
        selection = pipeline.named_steps["selection"]
        for name, reason in selection.dropped_.items():
            logger.info("left out feature %r: %s", name, reason)
        for part, values in metrics.items():
            (flat,) = json_normalize(values).to_dict("records")
            told = ", ".join(f"{name} {value:.4g}" for name, value in flat.items())
            logger.info("%s: %s", part, told)
        export, compared = make_export(pipeline, self.rows)
        record = {
            "model_type": settings.model.type,
            "hyperparameters": trained_model.estimator.get_params(),
            "classes": trained_model.classes,
            "positive_class": self.positive,
            "features": selection.features_,
            "left_out": selection.dropped_,
            "decision_threshold": self.threshold,
            "metrics": metrics,
            "search": self.strategy.search,
            "run_id": self.run_id,
            "data": read_json(settings.paths.processed / MANIFEST_NAME),
            "configuration": settings.model_dump(mode="json", include=DECISIVE),
            "schema": self.schema.model_dump(mode="json"),
            "example": example_row(self.rows, self.schema),
            "export": compared,
        }
        path = settings.paths.models / MODEL_FILE
        written = save_model(pipeline, record, path, export)
        self.saved = path
        scores = self.strategy.fold_scores
        tracker.log_training(written, scores, pipeline, path, self.rows.head())


def positive_class(target: Series, schema: DataSchema) -> str | None:
    """Return which of two classes is looked for: the schema's choice, or the rarer."""
    labels, chosen = sorted(target.unique()), schema.positive_class
    if len(labels) < 2:
        problem = f"one value in the target column {schema.target!r}"
        raise DataError(f"{problem}; expected at least two to tell apart")
    if chosen and (len(labels) > 2 or chosen not in labels):
        problem = f"found {chosen!r}, expected one of two classes, not of {labels}"
        raise ConfigError(f"config/data_schema.yaml: positive_class: {problem}")
    return chosen or rarer_class(target)


def train(settings: Settings) -> BaseModel:
    """Train and save a model; if recording fails, say whether the model is saved."""
    trainer = ModelTrainer(settings, load_schema(settings.data.schema_path, settings))
    trainer.build_model()  # what is not possible is said before the data are read
    rows = load_processed(settings, "train")
    logger.info("training %s on %d rows", settings.model.type, len(rows))
    try:
        with tracker.run(settings, f"train {settings.model.type}") as trainer.run_id:
            RUN_ID.set(trainer.run_id)
            return trainer.run_pipeline(rows)
    except DataError as error:
        done = f"; the model is saved, as {trainer.saved}" if trainer.saved else ""
        raise DataError(f"{error}{done}") from None


def main() -> None:
    """Train as configured on the command line."""
    settings = settings_from(config_parser(__doc__).parse_args())
    train(settings)
    print(f"{settings.paths.models / MODEL_FILE}: trained {settings.model.type}")
    print("next: python scripts/evaluation.py")


if __name__ == "__main__":
    run(main)

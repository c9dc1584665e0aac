"""The models that are measured, of the project's data, in a folder of their own."""

import shutil
from pathlib import Path

from src.data.ingestion import ingest
from src.data.preprocessing import preprocess
from src.training.train import MODEL_FILE, train
from src.utils.config import (
    ModelSettings,
    PathSettings,
    RegistrySettings,
    Settings,
    TrackingSettings,
    TrainingSettings,
)

MODELS = {"linear": "linear", "forest": "random_forest"}


def prepare(settings: Settings, folder: Path) -> Settings:
    """Split the data of the project into a folder, where all else is written, too.

    Args:
        settings: Those of the project.
        folder: An empty one.

    Returns:
        The settings for training there.

    Raises:
        DataError: If the data cannot be read.
    """
    paths = PathSettings(
        data=folder / "data", models=folder / "models", reports=folder / "reports"
    )
    if settings.paths.raw.exists():  # what was downloaded is not downloaded again
        shutil.copytree(settings.paths.raw, paths.raw)
    dictionary = {"dictionary_path": folder / "data_dictionary.md"}
    apart = settings.model_copy(
        update={
            "data": settings.data.model_copy(update=dictionary),
            "paths": paths,
            "training": TrainingSettings(),
            "tracking": TrackingSettings(),
            "registry": RegistrySettings(),
        }
    )
    ingest(apart.data.source, paths.raw, apart.data.sha256)
    preprocess(apart)
    return apart


def trained(settings: Settings, model: str) -> Path:
    """Train a model, and return its file.

    Args:
        settings: As ``prepare`` returns them.
        model: A name in ``MODELS``.
    """
    models = settings.paths.models / model
    paths = settings.paths.model_copy(update={"models": models})
    kind = ModelSettings(type=MODELS[model])
    train(settings.model_copy(update={"model": kind, "paths": paths}))
    return models / MODEL_FILE

"""The feature set and the saved pipeline."""

import pandas as pd

from src.data.ingestion import read_table
from src.data.preprocessing import preprocess
from src.features.creation import create_features, feature_columns
from src.models.artifact import load_model
from src.training.train import train
from tests.conftest import ProjectMaker
from tests.fixtures.synthetic import TARGET, bring


def test_the_feature_set_is_what_the_saved_pipeline_makes_of_raw_rows(
    make_project: ProjectMaker,
) -> None:
    settings = make_project(model={"type": "dummy"})
    schema = bring(settings)
    preprocess(settings)
    train(settings)

    stored = pd.read_parquet(settings.paths.features / "train.parquet")
    rows = read_table(settings.paths.processed / "train.csv")
    pipeline, _ = load_model(settings.paths.models / "latest_model.joblib")
    created = pipeline.named_steps["creation"].transform(rows)
    pd.testing.assert_frame_equal(
        stored.drop(columns=TARGET).reset_index(drop=True), created
    )
    pd.testing.assert_frame_equal(
        created, create_features(rows, feature_columns(schema))
    )

"""The floor of `train.py`: the same fit on the same rows, and nothing else.

Run in a generated project by its own Python; the project's settings give the model.
With `--mlflow` the run is recorded, by the fewest calls: what the library itself costs.
"""

import os
import sys

import joblib
import pandas as pd
import yaml
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

with open("config/model_config.yaml", encoding="utf-8") as file:
    params = yaml.safe_load(file)["model"]["params"]

train = pd.read_csv("data/processed/train.csv")
target = train.pop("income")
encoder = OneHotEncoder(
    handle_unknown="ignore", min_frequency=10, max_categories=100, sparse_output=False
)
pipeline = make_pipeline(
    make_column_transformer(
        (encoder, make_column_selector(dtype_include="str")), remainder="passthrough"
    ),
    HistGradientBoostingClassifier(**params, random_state=42),
)
pipeline.fit(train, target)
print(f"accuracy on the training rows: {pipeline.score(train, target):.3f}")
joblib.dump(pipeline, "models/bare.joblib")

if "--mlflow" in sys.argv:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

    import mlflow
    import sklearn
    from mlflow.models import infer_signature
    from skops.io import dumps, get_untrusted_types

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    with mlflow.start_run():
        mlflow.log_params(pipeline.get_params())
        mlflow.log_metric("accuracy", pipeline.score(train, target))
        mlflow.sklearn.log_model(
            pipeline,
            name="model",
            signature=infer_signature(train.head(), pipeline.predict(train.head())),
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
            skops_trusted_types=get_untrusted_types(data=dumps(pipeline)),
        )

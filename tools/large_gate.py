"""The gate on a million test rows: how long measuring and deciding take.

Run in a generated project by its own Python, after `make pipeline`; the model stands
for champion and challenger alike. Prints the seconds, without those of the predictions.
"""

import time

from src.data.processed import load_processed
from src.data.schema import load_schema
from src.evaluation.bootstrap import measure
from src.evaluation.gate import decide
from src.evaluation.performance import evaluate, predict
from src.models.artifact import load_model
from src.utils.config import load_settings

ROWS = 1_000_000


class Answered:
    """Stands for a pipeline that has predicted the rows already."""

    def __init__(self, predictions):
        self.classes_ = predictions.classes
        self.predict = lambda rows: predictions.y_pred
        self.predict_proba = lambda rows: predictions.probabilities


settings = load_settings()
schema = load_schema(settings.data.schema_path, settings)
test = load_processed(settings, "test").sample(ROWS, replace=True, random_state=1)
target = load_processed(settings, "train")[schema.target]
pipeline, _ = load_model(settings.paths.models / "latest_model.joblib")
predictions = predict(pipeline, test, schema, settings)

start = time.perf_counter()
challenger = evaluate(Answered(predictions), target, test, schema, settings)
chosen = settings.evaluation
champion = measure(
    predictions, chosen.confidence, chosen.bootstrap_samples, settings.seed
)
decide(challenger, champion, [], settings)
print(time.perf_counter() - start)

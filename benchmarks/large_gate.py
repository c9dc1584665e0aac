"""The gate on a million test rows: how long measuring and deciding take.

Run in a generated project by its own Python, after `make pipeline`; the model stands
for champion and challenger alike. Prints the seconds, without those of the predictions.
"""

import time
from types import SimpleNamespace

from src.evaluation.gate import decide
from src.evaluation.metrics import measure
from src.evaluation.performance import evaluate, load_inputs, predict
from src.utils.config import load_settings

ROWS = 1_000_000

settings = load_settings()
model = settings.paths.models / "latest_model.joblib"
inputs = load_inputs(model, settings.paths.processed / "test.csv", settings)
test = inputs.test.sample(ROWS, replace=True, random_state=1)
predictions = predict(inputs.pipeline, test, inputs.schema, settings)
answered = SimpleNamespace(  # stands for a pipeline that has predicted the rows already
    classes_=predictions.classes,
    predict=lambda rows: predictions.y_pred,
    predict_proba=lambda rows: predictions.probabilities,
)

start = time.perf_counter()
challenger = evaluate(inputs._replace(pipeline=answered, test=test), settings)
decide(challenger, measure(predictions, settings), [], settings)
print(time.perf_counter() - start)

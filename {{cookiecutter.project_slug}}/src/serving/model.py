"""A loaded model: rows in, answers out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter
from pydantic import BaseModel

from src.data.schema import DataSchema
from src.features.creation import date_parts, part_names
from src.models.artifact import Record, has_onnx, load_model, load_onnx, load_record
from src.serving.schemas import Row, values_of
from src.utils.errors import DataError

Matrix = NDArray[Any]
Run = Callable[[Sequence[Row]], Matrix]

PREDICTIONS = Counter("predictions", "Predicted rows.", ["label"])
counter_of = cache(PREDICTIONS.labels)


@dataclass(frozen=True)
class Model:
    """A model that may answer."""

    version: str  # its number in the registry, or the first digits of its digest
    record: Record
    runtime: str  # onnxruntime or scikit-learn
    classes: tuple[str, ...]  # in the order of the probabilities; () for a regression
    run: Run  # returns the probabilities (rows, classes), or the numbers (rows,)
    listed: dict[str, frozenset[str | None]]  # the categories of the data schema

    @classmethod
    def load(
        cls, path: Path, version: str, schema: DataSchema, row: type[BaseModel]
    ) -> Self:
        """Load a model whose digest is the recorded one, and let it try its example."""
        record = load_record(path)
        if set(record["example"]) != set(schema.features):
            problem = f"{path}: config/data_schema.yaml has other features"
            raise DataError(f"{problem}; train again, or restore that file")
        if has_onnx(record):
            content, record = load_onnx(path)
            runtime, run = "onnxruntime", _onnx(content, record["features"], schema)
        else:
            pipeline, record = load_model(path)
            runtime, run = "scikit-learn", _sklearn(pipeline)
        listed = {
            name: frozenset([*values, None])
            for name in schema.features
            if (values := schema.columns[name].values)
        }
        example = values_of(row.model_validate(record["example"]))
        # The first prediction is slow; and what fails must not replace what works.
        if not np.isfinite(run(example)).all():
            raise DataError(f"{path}: the answer to its own example is not finite")
        return cls(version, record, runtime, tuple(record["classes"]), run, listed)

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Return the answer to each row, as ``schemas.Prediction`` describes it."""
        answers, threshold = [], self.record.get("decision_threshold")
        positive = self.record.get("positive_class")
        first = self.classes.index(positive) if positive else 1  # looked for
        for row, found in zip(rows, self.run(rows).tolist(), strict=True):
            unknown = [n for n, known in self.listed.items() if row[n] not in known]
            if self.classes:
                best = found.index(max(found))
                if threshold is not None:
                    best = first if found[first] >= threshold else 1 - first
                label = self.classes[best]
                shares = dict(zip(self.classes, found, strict=True))
                answer = {"prediction": label, "probabilities": shares}
            else:
                label, answer = "number", {"prediction": found}
            counter_of(label).inc()
            answers.append(answer | {"unknown": unknown})
        return answers

    def describe(self) -> dict[str, Any]:
        """Return what callers are told: the record, but for machines and addresses."""
        record = {k: v for k, v in self.record.items() if k != "configuration"}
        return {"version": self.version, "runtime": self.runtime, **record}


def _onnx(content: bytes, features: Sequence[str], schema: DataSchema) -> Run:
    """Return what predicts by an export, whose inputs are ``features``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One row is too little to share; many requests are answered side by side.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options)
    dates = [name for name in schema.features if schema.columns[name].type == "date"]
    parts = {name: part_names(name, schema.features) for name in dates}
    inputs = list(zip(session.get_inputs(), features, strict=True))
    outputs = [session.get_outputs()[-1].name]

    def run(rows: Sequence[Row]) -> Matrix:
        for name, keys in parts.items():
            rows = [r | dict(zip(keys, date_parts(r[name]), strict=True)) for r in rows]
        feeds = {}
        for given, name in inputs:
            if given.type == "tensor(string)":
                values = np.array([[row[name] or ""] for row in rows], dtype=object)
            else:  # None becomes NaN
                values = np.array([[row[name]] for row in rows], dtype=np.float32)
            feeds[given.name] = values
        found: Matrix = session.run(outputs, feeds)[0]
        return found if found.shape[1] > 1 else found.ravel()

    return run


def _sklearn(pipeline: Any) -> Run:
    """Return what predicts by a pipeline of scikit-learn."""
    from pandas import DataFrame

    method = getattr(pipeline, "predict_proba", pipeline.predict)
    return lambda rows: np.asarray(method(DataFrame(rows)), dtype=np.float64)

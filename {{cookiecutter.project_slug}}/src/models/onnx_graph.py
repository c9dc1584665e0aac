"""The fitted pipeline as ONNX: what a service runs without scikit-learn.

The graph takes the matrix ``X`` of ``src/models/encoding.py`` and holds the steps that
were fitted: imputation, indicators, scaling, and the estimator; all in double
precision, as scikit-learn computes. Trees are written by ``onnx_trees.py``; any other
estimator is converted by skl2onnx, if it knows it. The metadata of the file say how
rows become ``X`` and which classes there are: to predict, the file is all one needs.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from src.models.base import estimator_of
from src.models.encoding import Encoding
from src.models.onnx_trees import (
    ML_DOMAIN,
    boosting_trees,
    forest_trees,
    tree_ensemble,
)
from src.models.pipeline_encoding import encoding_of
from src.utils.errors import ModelError

OPSETS = {"": 21, ML_DOMAIN: 5}
CONVERTER_OPSETS = {"": 21, ML_DOMAIN: 3}  # the newest that skl2onnx writes
IR_VERSION = 10
FEATURES, RAW = "features", "raw"
PREFIX = "estimator_"

FORESTS = (RandomForestClassifier, RandomForestRegressor)
BOOSTINGS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


class _Graph:
    """Nodes in the order in which they are computed, and their constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, op: str, *inputs: Any, to: str | None = None, **options: Any) -> str:
        """Add a node; arrays among its inputs become constants. Return its output."""
        name = to or f"{op.lower()}_{len(self.nodes)}"
        names = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        self.nodes.append(helper.make_node(op, names, [name], **options))
        return name

    def cast(self, name: str, kind: int = TensorProto.DOUBLE) -> str:
        """Add the conversion of an output to another type. Return its output."""
        found = f"cast_{len(self.nodes)}"
        self.nodes.append(helper.make_node("Cast", [name], [found], to=kind))
        return found

    def _constant(self, values: Any) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def export_pipeline(pipeline: Any) -> bytes:
    """Return a fitted pipeline as the content of an ONNX file.

    Args:
        pipeline: As training saves it: from raw rows to predictions.

    Returns:
        A graph with the input ``X``, double (rows, width of the encoding), and the
        output ``probabilities``, double (rows, classes), or ``prediction``, double
        (rows). A threshold that was tuned is not in it.

    Raises:
        ModelError: If a step or the estimator cannot be exported; it names which.
    """
    encoding = encoding_of(pipeline)
    estimator = estimator_of(pipeline)
    graph = _Graph()
    width = _add_features(graph, pipeline.named_steps["transformation"], encoding)
    if isinstance(estimator, FORESTS):
        found = _add_forest(graph, estimator)
    elif isinstance(estimator, BOOSTINGS):
        found = _add_boosting(graph, estimator)
    else:
        found = _add_converted(graph, estimator, width)
    model = _model(graph, found, estimator, encoding)
    classes = [str(label) for label in getattr(estimator, "classes_", ())]
    helper.set_model_props(
        model,
        {"encoding": json.dumps(encoding.to_json()), "classes": json.dumps(classes)},
    )
    return bytes(model.SerializeToString(deterministic=True))


def _add_features(graph: _Graph, transformation: Any, encoding: Encoding) -> int:
    """Add what the fitted column transformer does; return how many features it gives.

    Raises:
        ModelError: If a part of it is none that is known here.
    """
    places = encoding.places
    blocks: list[str] = []
    width = 0
    for name, transformer, columns in transformation.transformers_:
        if transformer == "drop" or not len(columns):
            continue
        at = np.array([places[column] for column in columns])
        steps = transformer.steps if isinstance(transformer, Pipeline) else None
        first, *others = [step for _, step in steps] if steps else [transformer]
        if isinstance(first, SimpleImputer):
            block, size = _add_imputation(graph, first, at)
        elif isinstance(first, OneHotEncoder):
            block, size = _add_indicators(graph, first, at)
        else:
            raise ModelError(f"the feature step {name!r}: {type(first).__name__}")
        for step in others:
            if not isinstance(step, StandardScaler):
                raise ModelError(f"the feature step {name!r}: {type(step).__name__}")
            block = graph.add("Sub", block, step.mean_)
            block = graph.add("Div", block, step.scale_)
        blocks.append(block)
        width += size
    graph.add("Concat", *blocks, to=FEATURES, axis=1)
    return width


def _add_imputation(
    graph: _Graph, imputer: SimpleImputer, at: NDArray[np.intp]
) -> tuple[str, int]:
    """Add the imputation of the columns ``at`` of X, and its indicators.

    Returns:
        The output, and how many columns it has.

    Raises:
        ModelError: If a column had no value to impute.
    """
    medians = np.asarray(imputer.statistics_, dtype=np.float64)
    if np.isnan(medians).any():
        raise ModelError("a number has no value that could stand for a missing one")
    numbers = graph.add("Gather", "X", at, axis=1)
    missing = graph.add("IsNaN", numbers)
    filled = graph.add("Where", missing, medians, numbers)
    marked = imputer.indicator_.features_ if imputer.add_indicator else np.array([])
    if not len(marked):
        return filled, len(at)
    flags = graph.cast(graph.add("Gather", missing, marked.astype(np.int64), axis=1))
    return graph.add("Concat", filled, flags, axis=1), len(at) + len(marked)


def _add_indicators(
    graph: _Graph, encoder: OneHotEncoder, at: NDArray[np.intp]
) -> tuple[str, int]:
    """Add an indicator for each code of the columns ``at`` of X.

    Returns:
        The output, and how many columns it has.
    """
    counts = [len(encoder._compute_transformed_categories(k)) for k in range(len(at))]
    codes = np.concatenate([np.arange(count) for count in counts])
    values = graph.add("Gather", "X", np.repeat(at, counts), axis=1)
    flags = graph.add("Equal", values, codes.astype(np.float64))
    return graph.cast(flags), len(codes)


def _add_forest(graph: _Graph, forest: Any) -> str:
    """Add a random forest; return its output."""
    # It looks at features in single precision, which decides at thresholds.
    single = graph.cast(FEATURES, TensorProto.FLOAT)
    trees, targets = forest_trees(forest)
    graph.nodes.append(tree_ensemble(trees, targets, graph.cast(single), RAW))
    mean = graph.add("Div", RAW, np.float64(len(forest.estimators_)))
    if len(getattr(forest, "classes_", ())) != 2:
        return mean
    return _with_first_class(graph, mean)


def _add_boosting(graph: _Graph, boosting: Any) -> str:
    """Add a histogram gradient boosting; return its output."""
    trees, baseline = boosting_trees(boosting)
    graph.nodes.append(tree_ensemble(trees, len(baseline), FEATURES, RAW))
    raw = graph.add("Add", RAW, baseline)
    if isinstance(boosting, HistGradientBoostingClassifier):
        if len(baseline) > 1:
            return graph.add("Softmax", raw, axis=1)
        return _with_first_class(graph, graph.add("Sigmoid", raw))
    link = type(boosting._loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise ModelError(f"the loss {boosting.loss!r} of the boosting")
    return raw if link == "IdentityLink" else graph.add("Exp", raw)


def _with_first_class(graph: _Graph, second: str) -> str:
    """Add the probability of the first of two classes before that of the second."""
    first = graph.add("Sub", np.float64(1), second)
    return graph.add("Concat", first, second, axis=1)


def _add_converted(graph: _Graph, estimator: Any, width: int) -> str:
    """Add an estimator that skl2onnx converts; return its output.

    Raises:
        ModelError: If it does not know the estimator.
    """
    # Imported for these estimators only: it takes longer than the export of the others.
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType

    is_classifier = hasattr(estimator, "classes_")
    try:
        converted = to_onnx(
            estimator,
            initial_types=[(FEATURES, DoubleTensorType([None, width]))],
            options={"zipmap": False} if is_classifier else None,
            target_opset=CONVERTER_OPSETS,
        )
    # Each converter has exceptions of its own for what it does not support.
    except Exception as error:
        problem = " ".join(str(error).split())[:200]
        raise ModelError(f"skl2onnx: {type(estimator).__name__}: {problem}") from error
    theirs = compose.add_prefix(converted, PREFIX).graph
    given, found = theirs.input[0].name, theirs.output[-1].name
    graph.nodes.append(helper.make_node("Identity", [FEATURES], [given]))
    graph.nodes.extend(theirs.node)
    graph.constants.extend(theirs.initializer)
    return graph.cast(found)


def _model(
    graph: _Graph, found: str, estimator: Any, encoding: Encoding
) -> onnx.ModelProto:
    """Return the model whose answer is the output ``found``."""
    rows: list[int | None] = [None]
    if hasattr(estimator, "classes_"):
        output, shape = "probabilities", [*rows, len(estimator.classes_)]
    else:
        output, shape = "prediction", rows
        found = graph.add("Reshape", found, np.array([-1]))
    graph.add("Identity", found, to=output)
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "pipeline",
            [_double("X", [None, encoding.width])],
            [_double(output, shape)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid(*opset) for opset in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="",
    )


def _double(name: str, shape: Sequence[int | None]) -> onnx.ValueInfoProto:
    """Return the description of an input or output of doubles."""
    return helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)

"""The predictor: which models it loads, and what it makes of their numbers."""

import hashlib
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from src.models.artifact import export_path, record_path, save_model
from src.models.encoding import CategoryCodes, Encoding, InputColumn
from src.serving import tables
from src.serving.predictor import Predictor
from src.serving.settings import ServingSettings
from src.utils.config import PROJECT_ROOT
from src.utils.errors import ModelError

CITY = CategoryCodes({"Oslo": 0, "Lima": 1}, missing=2, unknown=2)
ENCODING = Encoding(
    (InputColumn("share", "number"), InputColumn("city", "category", None, CITY))
)
COLUMNS: dict[str, dict[str, Any]] = {
    "share": {"type": "number", "min": 0, "max": 1},
    "city": {"type": "category", "max_missing": 1, "values": ["Oslo", "Lima"]},
    "y": {"type": "category", "role": "target"},
}
EXAMPLE = {"share": 0.25, "city": "Oslo"}


def graph(classes: list[str], factor: float = 1.0) -> bytes:
    """A model whose answer is the share: of the second class, or as a number."""
    double = TensorProto.DOUBLE
    weights = [[-factor, factor], [0, 0]] if classes else [[factor], [0]]
    offsets = [1.0, 0.0] if classes else [0.0]
    shape = ["rows", 2] if classes else ["rows"]
    nodes = [
        helper.make_node("MatMul", ["X", "weights"], ["product"]),
        helper.make_node("Add", ["product", "offsets"], ["sum"]),
        helper.make_node("Reshape", ["sum", "shape"], ["answer"]),
    ]
    constants = {
        "weights": np.array(weights, dtype=np.float64),
        "offsets": np.array(offsets),
        "shape": np.array([-1, 2] if classes else [-1], dtype=np.int64),
    }
    made = helper.make_graph(
        nodes,
        "share",
        [helper.make_tensor_value_info("X", double, ["rows", 2])],
        [helper.make_tensor_value_info("answer", double, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 21)]
    model = helper.make_model(made, opset_imports=opset, ir_version=10)
    helper.set_model_props(
        model,
        {
            "encoding": json.dumps(ENCODING.to_json()),
            "classes": json.dumps(classes),
        },
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def save(folder: Path, content: bytes, **record: Any) -> Path:
    path = folder / "model.joblib"
    export = {"verified": True, "sha256": hashlib.sha256(content).hexdigest()}
    schema = {"name": "rows", "columns": COLUMNS}
    described = {"schema": schema, "example": EXAMPLE, "export": export}
    save_model("no pipeline", described | record, path)
    export_path(path).write_bytes(content)
    return path


def load(path: Path, **serving: Any) -> Predictor:
    return Predictor.load(path, "7", ServingSettings.model_validate(serving))


def ask(predictor: Predictor, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return predictor.predict(predictor.reader.read(json.dumps(rows).encode()))


def test_a_verified_export_is_what_answers(tmp_path: Path) -> None:
    predictor = load(save(tmp_path, graph(["no", "yes"])))
    assert (predictor.version, predictor.engine.runtime) == ("7", "onnxruntime")
    row, rome = {"share": 0.75, "city": None}, {"share": 0.25, "city": "Rome"}
    assert ask(predictor, row, rome) == [
        {
            "prediction": "yes",
            "probabilities": {"no": 0.25, "yes": 0.75},
            "unknown": [],
        },
        {
            "prediction": "no",
            "probabilities": {"no": 0.75, "yes": 0.25},
            "unknown": ["city"],
        },
    ]


def test_a_number_is_answered_as_one(tmp_path: Path) -> None:
    predictor = load(save(tmp_path, graph([])))
    assert ask(predictor, EXAMPLE) == [{"prediction": 0.25, "unknown": []}]


def test_a_threshold_decides_which_label_it_is(tmp_path: Path) -> None:
    predictor = load(save(tmp_path, graph(["no", "yes"]), decision_threshold=0.2))
    rows = [{"share": share} for share in (0.1, 0.2, 0.9)]
    found = [answer["prediction"] for answer in ask(predictor, *rows)]
    assert found == ["no", "yes", "yes"]


@pytest.mark.parametrize("threshold", [None, 0.2])
def test_a_table_is_answered_as_its_rows_are(
    tmp_path: Path, threshold: float | None
) -> None:
    content = graph(["no", "yes"])
    predictor = load(save(tmp_path, content, decision_threshold=threshold))
    rows = [{"share": s, "city": c} for s, c in ((0.1, "Oslo"), (0.4, None), (1, "x"))]
    table = tables.pa.Table.from_pylist(rows)
    found = predictor.predict_table(tables.check(table, predictor.reader)).to_pylist()
    assert found == [
        {
            "prediction": answer["prediction"],
            **{f"probability of {k}": v for k, v in answer["probabilities"].items()},
        }
        for answer in ask(predictor, *rows)
    ]


def test_numbers_of_a_table_are_one_column(tmp_path: Path) -> None:
    predictor = load(save(tmp_path, graph([])))
    table = tables.pa.Table.from_pylist([EXAMPLE])
    found = predictor.predict_table(tables.check(table, predictor.reader))
    assert found.to_pylist() == [{"prediction": 0.25}]


def test_a_changed_export_is_not_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path, graph([]))
    export_path(path).write_bytes(graph([], factor=2.0))
    with caplog.at_level(logging.WARNING), pytest.raises(ModelError):
        load(path)  # what is left, is no pipeline
    assert "digest" in caplog.text


def test_an_export_that_was_not_verified_is_not_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path, graph([]), export={"verified": False, "reason": "too odd"})
    with caplog.at_level(logging.WARNING), pytest.raises(ModelError, match="pipeline"):
        load(path)
    assert "too odd" in caplog.text


@pytest.mark.parametrize(
    ("content", "record", "problem"),
    [
        (graph([], float("nan")), {}, "finite"),
        (graph([]), {"example": {"share": 2}}, "less than or equal to 1"),
        (graph([]), {"schema": {}}, "schema"),
    ],
)
def test_a_model_that_cannot_answer_is_refused(
    tmp_path: Path, content: bytes, record: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ModelError, match=problem):
        load(save(tmp_path, content, **record))


def test_a_model_without_a_record_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, graph([]))
    record_path(path).unlink()
    with pytest.raises(ModelError, match=r"model\.json"):
        load(path)


def test_a_compiled_model_needs_no_library_of_training(tmp_path: Path) -> None:
    path = save(tmp_path, graph(["no", "yes"]))
    path.unlink()  # nor the pickle
    program = """
import sys
from pathlib import Path
from src.serving import batch
from src.serving.predictor import Predictor
from src.serving.settings import ServingSettings
predictor = Predictor.load(Path(sys.argv[1]), "1", ServingSettings())
predictor.predict([predictor.example])
names = "pandas sklearn scipy joblib skl2onnx onnx pyarrow"
print([name for name in names.split() if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

"""The description of the service for programs: OpenAPI 3.1 from the data schema."""

from typing import Any

from src.serving.batch import MEDIA_TYPES
from src.serving.messages import JSON
from src.serving.predictor import Predictor
from src.serving.settings import ServingSettings

VERSION = "1"  # of the contract; its paths begin with it
SCHEMAS = "#/components/schemas"
KEY_SCHEME = "ApiKey"

Document = dict[str, Any]

TEXT: Document = {"type": "string"}
NUMBER: Document = {"type": "number"}
PROBLEM: Document = {
    "type": "object",
    "description": "One offending field, and the rule that it breaks.",
    "required": ["problem"],
    "properties": {
        "row": {"type": "integer", "description": "In a list, counted from 0."},
        "column": TEXT,
        "problem": TEXT,
        "found": {"description": "The value, shortened; not for every problem."},
        "rows": {"type": "array", "items": {"type": "integer"}},
        "count": {"type": "integer", "description": "In how many rows of a table."},
    },
}
ERROR: Document = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {
            "oneOf": [
                TEXT,
                {"type": "array", "items": {"$ref": f"{SCHEMAS}/Problem"}},
            ]
        }
    },
}
PREDICTION: Document = {
    "type": "object",
    "required": ["prediction", "unknown"],
    "properties": {
        "prediction": {"type": ["string", "number"]},
        "probabilities": {
            "type": "object",
            "description": "Of all labels; not for a regression.",
            "additionalProperties": NUMBER,
        },
        "unknown": {
            "type": "array",
            "description": "Columns whose category the data schema does not list.",
            "items": TEXT,
        },
    },
}
PREDICTIONS: Document = {
    "type": "object",
    "required": ["model_version", "predictions"],
    "properties": {
        "model_version": TEXT,
        "predictions": {
            "type": "array",
            "description": "In the order of the rows.",
            "items": {"$ref": f"{SCHEMAS}/Prediction"},
        },
    },
}
ANSWER_HEADERS: Document = {
    "X-Request-ID": {
        "description": "The caller's own, or a new one; the log knows it.",
        "schema": TEXT,
    },
    "X-Model-Version": {
        "description": "Of the model that answered, else of the champion.",
        "schema": TEXT,
    },
}
REFUSALS = {
    401: "The API key is missing or wrong",
    408: "The body did not arrive in time",
    413: "The body is too large",
    415: "The body is of another type than it may be",
    422: "Values are wrong; every offending field is named",
    500: "A defect; the log has more under the request id",
    503: "No model is loaded, or too much is under way; try again",
}
MORE_HEADERS: dict[int, Document] = {
    401: {"WWW-Authenticate": {"schema": TEXT}},
    503: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
}


def document(
    title: str, description: str, predictor: Predictor | None, serving: ServingSettings
) -> Document:
    """Return the OpenAPI document of the contract.

    Args:
        title: Of the project.
        description: Of the project.
        predictor: The champion, whose columns are described; none if None.
        serving: What the service refuses.
    """
    row: Document = {"type": "object"}
    body: Document = {"schema": {"$ref": f"{SCHEMAS}/Rows"}}
    if predictor is not None:
        row = {**predictor.reader.json_schema(), "example": predictor.example}
        body["examples"] = {
            "one row": {"value": predictor.example},
            "many rows": {"value": [predictor.example]},
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": description, "version": VERSION},
        "paths": _paths(body),
        "components": {
            "schemas": {
                "Row": row,
                "Rows": {
                    "oneOf": [
                        {"$ref": f"{SCHEMAS}/Row"},
                        {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": serving.max_rows,
                            "items": {"$ref": f"{SCHEMAS}/Row"},
                        },
                    ]
                },
                "Prediction": PREDICTION,
                "Predictions": PREDICTIONS,
                "Problem": PROBLEM,
                "Error": ERROR,
            },
            "securitySchemes": {
                KEY_SCHEME: {"type": "apiKey", "in": "header", "name": "X-API-Key"}
            },
        },
    }


def _paths(rows: Document) -> Document:
    """Return the routes of the contract."""
    table = {"schema": {"type": "string", "contentMediaType": "text/csv"}}
    tables = {media_type: {} for media_type in MEDIA_TYPES} | {"text/csv": table}
    return {
        "/v1/predict": {
            "post": _operation(
                "predict",
                "Predict one row, or each row of a list.",
                "The predictions, in the order of the rows",
                {JSON: {"schema": {"$ref": f"{SCHEMAS}/Predictions"}}},
                refusals=(401, 408, 413, 415, 422, 500, 503),
                body={JSON: rows},
            )
        },
        "/v1/predict/batch": {
            "post": _operation(
                "predict_batch",
                "Predict the rows of a table: CSV with a header, Parquet or Arrow. The "
                "answer is of the same type, or of one that Accept names.",
                "A row of predictions for each row",
                tables,
                refusals=(401, 408, 413, 415, 422, 500, 503),
                body=tables,
            )
        },
        "/model": {
            "get": _operation(
                "model",
                "Say which model answers, what made it and how good it was.",
                "What is known of the champion",
                _object({"version": TEXT, "role": TEXT, "runtime": TEXT}),
                refusals=(401, 500, 503),
            )
        },
        "/ready": {
            "get": _operation(
                "ready",
                "Say whether a model is loaded, and the service not about to end.",
                "It is",
                _object({"status": {"const": "ready"}}),
                refusals=(500, 503),
                is_open=True,
            )
        },
        "/health": {
            "get": _operation(
                "health",
                "Say that the process is alive.",
                "It is",
                _object({"status": {"const": "alive"}}),
                refusals=(500,),
                is_open=True,
            )
        },
        "/metrics": {
            "get": _operation(
                "metrics",
                "Return what was counted and measured, for Prometheus.",
                "In its text format",
                {"text/plain": {"schema": TEXT}},
                refusals=(500,),
                is_open=True,
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    answer: str,
    content: Document,
    refusals: tuple[int, ...],
    body: Document | None = None,
    is_open: bool = False,
) -> Document:
    """Return the description of one route.

    Args:
        name: Of the operation, for generated clients.
        summary: What it does.
        answer: What status 200 means.
        content: The answer by media type.
        refusals: The other statuses that it may have.
        body: Of the request, by media type.
        is_open: Whether it is answered without an API key in any case.
    """
    good = {"description": answer, "headers": ANSWER_HEADERS, "content": content}
    operation: Document = {
        "operationId": name,
        "summary": summary,
        "security": [] if is_open else [{}, {KEY_SCHEME: []}],
        "responses": {"200": good, **{str(s): _refusal(s) for s in refusals}},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _refusal(status: int) -> Document:
    """Return the description of an answer other than 200."""
    return {
        "description": REFUSALS[status],
        "headers": ANSWER_HEADERS | MORE_HEADERS.get(status, {}),
        "content": {JSON: {"schema": {"$ref": f"{SCHEMAS}/Error"}}},
    }


def _object(properties: Document) -> Document:
    """Return the content of an answer that is a JSON object with these keys."""
    schema = {
        "type": "object",
        "required": list(properties),
        "properties": properties,
    }
    return {JSON: {"schema": schema}}


def merged(contract: Document, other: Document) -> Document:
    """Return the contract together with the paths and schemas of another document."""
    kinds = contract["components"] | other.get("components", {})
    return {
        **contract,
        "paths": other.get("paths", {}) | contract["paths"],
        "components": {
            kind: other.get("components", {}).get(kind, {})
            | contract["components"].get(kind, {})
            for kind in kinds
        },
    }

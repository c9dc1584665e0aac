"""The description of the service for programs."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from src.serving.openapi import merged
from tests.fixtures.serving import ROW, MadeUpService

REFUSALS = {"401", "413", "415", "422", "500", "503"}


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(MadeUpService(max_rows=7).ask("GET", "/openapi.json").body)


def validator(document: Any, name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", **document}
    return Draft202012Validator(schema)


def test_it_shows_the_columns_with_their_types_and_limits(document: Any) -> None:
    row = document["components"]["schemas"]["Row"]
    assert list(row["properties"]) == list(ROW)
    assert row["properties"]["income"]["description"] == "A year's."
    age = row["properties"]["age"]
    assert (age["minimum"], age["maximum"]) == (18, 79)
    assert sorted(row["required"]) == ["age", "member", "signed up"]
    assert row["example"] == ROW
    assert document["info"]["title"] == "Made up"


def test_its_schemas_are_valid_and_accept_the_example(document: Any) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    rows = validator(document, "Rows")
    body = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    examples = [e["value"] for e in body["application/json"]["examples"].values()]
    assert examples == [ROW, [ROW]]
    assert all(rows.is_valid(example) for example in examples)
    for wrong in ({}, [], [ROW] * 8, {**ROW, "age": 17}, {**ROW, "agee": 1}):
        assert not rows.is_valid(wrong)


def test_every_answer_is_as_described(document: Any) -> None:
    service = MadeUpService()
    answer = service.ask(
        "POST",
        "/v1/predict",
        json.dumps(ROW).encode(),
        content_type="application/json",
    )
    assert validator(document, "Predictions").is_valid(json.loads(answer.body))
    problem = {"row": 1, "column": "age", "problem": "too young", "found": "7"}
    for detail in ("no", [problem]):
        assert validator(document, "Error").is_valid({"detail": detail})


def test_it_describes_every_route_but_itself_and_the_page(document: Any) -> None:
    routes = {route.path for route in MadeUpService().routes}
    described = set(document["paths"])
    assert described <= routes
    assert {path for path in routes - described if "/static/" not in path} == {
        "/",
        "/openapi.json",
    }


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/batch"])
def test_all_refusals_of_predictions_are_described(document: Any, path: str) -> None:
    answers = document["paths"][path]["post"]["responses"]
    assert set(answers) >= {"200", *REFUSALS}
    assert "Retry-After" in answers["503"]["headers"]
    assert all("X-Request-ID" in answer["headers"] for answer in answers.values())


def test_without_a_model_it_describes_the_rest() -> None:
    service = MadeUpService(has_champion=False)
    document = json.loads(service.ask("GET", "/openapi.json").body)
    assert "properties" not in document["components"]["schemas"]["Row"]


def test_it_is_renewed_with_the_champion() -> None:
    service = MadeUpService(has_champion=False)
    service.ask("GET", "/openapi.json")
    service.follower.models = MadeUpService().follower.models
    document = json.loads(service.ask("GET", "/openapi.json").body)
    assert "properties" in document["components"]["schemas"]["Row"]


def test_what_a_team_adds_stands_beside_the_contract() -> None:
    contract = {
        "openapi": "3.1.0",
        "paths": {"/a": 1},
        "components": {"schemas": {"A": 1}, "securitySchemes": {"K": 1}},
    }
    other = {"paths": {"/a": 2, "/b": 2}, "components": {"schemas": {"A": 2, "B": 2}}}
    assert merged(contract, other) == {
        "openapi": "3.1.0",
        "paths": {"/a": 1, "/b": 2},
        "components": {"schemas": {"A": 1, "B": 2}, "securitySchemes": {"K": 1}},
    }

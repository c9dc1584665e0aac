"""What the service answers, what it refuses, and how it says so."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from src.serving.batch import MEDIA_TYPES
from src.serving.messages import Refused
from tests.fixtures.serving import ROW, MadeUpEngine, MadeUpService

CSV = (
    b"income,age,city,member,signed up\n"
    b"61.5,40,Oslo,true,2024-05-01\n"
    b",41,,false,2024-05-02\n"
)
JSON = "application/json"


def predict(service: MadeUpService, body: Any, content_type: str = JSON) -> Any:
    content = json.dumps(body).encode()
    answer = service.ask("POST", "/v1/predict", content, content_type=content_type)
    assert answer.status == 200
    return json.loads(answer.body)


def refusal(service: MadeUpService, *args: Any, **headers: str) -> Refused:
    with pytest.raises(Refused) as caught:
        service.ask(*args, **headers)
    return caught.value


def test_a_row_is_answered_with_the_probability_of_each_label() -> None:
    assert predict(MadeUpService(), ROW) == {
        "model_version": "3",
        "predictions": [
            {
                "prediction": "yes",
                "probabilities": {"no": 0.25, "yes": 0.75},
                "unknown": [],
            }
        ],
    }


def test_each_row_of_a_list_is_answered() -> None:
    rows = [{**ROW, "city": "Rome"}, ROW]
    answers = predict(MadeUpService(), rows)["predictions"]
    assert [answer["unknown"] for answer in answers] == [["city"], []]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON"]
)
def test_json_may_be_named_in_many_ways(content_type: str) -> None:
    assert predict(MadeUpService(), ROW, content_type)["predictions"]


@pytest.mark.parametrize("content_type", ["", "text/plain", "text/csv", "json"])
def test_another_type_is_refused(content_type: str) -> None:
    given = {"content_type": content_type} if content_type else {}
    refused = refusal(MadeUpService(), "POST", "/v1/predict", b"{}", **given)
    assert refused.status == 415
    assert "expected application/json" in str(refused.detail)


def test_every_offending_field_is_named_with_the_rule_it_breaks() -> None:
    body = json.dumps([ROW, {**ROW, "age": 7, "agee": 1, "city": [1]}]).encode()
    refused = refusal(MadeUpService(), "POST", "/v1/predict", body, content_type=JSON)
    assert refused.status == 422
    assert isinstance(refused.detail, list)
    named = {problem["column"]: problem for problem in refused.detail}
    assert set(named) == {"age", "agee", "city"}
    assert all(problem["row"] == 1 and problem["problem"] for problem in refused.detail)
    assert "18" in named["age"]["problem"] and named["age"]["found"] == "7"


@pytest.mark.parametrize(
    ("column", "value", "is_counted"),
    [
        ("age", 17, True),
        ("age", 80, True),
        ("age", 17.0, True),
        ("signed up", "2023-12-31", True),
        ("signed up", "2025-01-01", True),
        ("age", "17", False),
        ("age", None, False),
        ("signed up", "soon", False),
        ("income", 1e9, False),
    ],
)
def test_values_out_of_range_are_counted_by_column(
    column: str, value: Any, is_counted: bool
) -> None:
    service = MadeUpService()
    body = json.dumps([{**ROW, column: value}] * 2).encode()
    try:
        service.ask("POST", "/v1/predict", body, content_type=JSON)
    except Refused:
        pass
    found = service.value("feature_range_violations_total", column=column)
    assert found == (2 if is_counted else None)


def test_predictions_are_counted_by_label() -> None:
    service = MadeUpService()
    predict(service, [ROW, ROW])
    assert service.value("predictions_total", label="yes") == 2


@pytest.mark.parametrize("media_type", [None, *MEDIA_TYPES])
def test_a_table_is_answered_in_the_type_that_is_wanted(media_type: str | None) -> None:
    service = MadeUpService()
    wanted = {"accept": media_type} if media_type else {"accept": "*/*"}
    answer = service.ask(
        "POST", "/v1/predict/batch", CSV, content_type="text/csv", **wanted
    )
    assert answer.media_type == (media_type or "text/csv")
    assert answer.model_version == "3"
    assert service.value("predictions_total", label="yes") == 2
    if answer.media_type == "text/csv":
        header, *rows = answer.body.decode().splitlines()
        assert header.count("prob") == 2 and len(rows) == 2


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("text/html, text/csv;q=0.9", "text/csv"),
        ("application/vnd.apache.parquet, */*", "application/vnd.apache.parquet"),
    ],
)
def test_one_type_among_others_that_a_caller_accepts_is_enough(
    accept: str, given: str
) -> None:
    answer = MadeUpService().ask(
        "POST", "/v1/predict/batch", CSV, content_type="text/csv", accept=accept
    )
    assert answer.media_type == given


def test_what_is_wrong_in_a_table_is_counted_too() -> None:
    service = MadeUpService()
    body = CSV.replace(b",40,", b",17,").replace(b",41,", b",99,")
    refused = refusal(
        service, "POST", "/v1/predict/batch", body, content_type="text/csv"
    )
    assert refused.status == 422
    assert service.value("feature_range_violations_total", column="age") == 2


def test_another_type_of_table_is_refused() -> None:
    refused = refusal(
        MadeUpService(), "POST", "/v1/predict/batch", b"[]", content_type=JSON
    )
    assert refused.status == 415


def test_it_says_which_model_answers() -> None:
    model = json.loads(MadeUpService().ask("GET", "/model").body)
    assert (model["version"], model["role"]) == ("3", "champion")
    assert model["runtime"] == "onnxruntime"
    assert model["metrics"] == {"accuracy": 0.75}
    assert model["schema"]["columns"]["age"]["min"] == 18
    assert model["challenger"] is None
    assert "environment" not in model


def test_it_says_which_model_challenges() -> None:
    service = MadeUpService(has_challenger=True, challenger="shadow")
    challenger = json.loads(service.ask("GET", "/model").body)["challenger"]
    assert challenger["version"] == "4"
    assert (challenger["mode"], challenger["share"]) == ("shadow", 0.1)


def test_without_a_model_it_lives_and_is_not_ready() -> None:
    service = MadeUpService(has_champion=False)
    assert service.ask("GET", "/health").status == 200
    for method, path, given in (
        ("GET", "/ready", {}),
        ("GET", "/model", {}),
        ("POST", "/v1/predict", {"content_type": JSON}),
        ("POST", "/v1/predict/batch", {"content_type": "text/csv"}),
    ):
        refused = refusal(service, method, path, b"{}", **given)
        assert refused.status == 503
        assert dict(refused.headers)["Retry-After"] == "1"
    exchange = service.gate.enter("GET", "/health", {})
    answer = service.gate.answer(exchange)
    assert dict(service.gate.finish(exchange, answer))["X-Model-Version"] == "none"


def test_a_service_with_a_model_is_ready_until_it_is_about_to_end() -> None:
    service = MadeUpService()
    assert json.loads(service.ask("GET", "/ready").body) == {"status": "ready"}
    service.gate.is_draining = True
    assert refusal(service, "GET", "/ready").status == 503
    assert service.ask("GET", "/health").status == 200
    assert predict(service, ROW)["predictions"]


def test_a_defect_of_a_model_is_no_fault_of_the_caller() -> None:
    class Broken(MadeUpEngine):
        def run(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
            raise RuntimeError("personal data")

    service = MadeUpService(engine=Broken())
    with pytest.raises(RuntimeError):
        predict(service, ROW)


def test_metrics_are_for_prometheus() -> None:
    answer = MadeUpService().ask("GET", "/metrics")
    assert answer.media_type.startswith("text/plain")
    assert b"http_requests_in_flight 0.0" in answer.body


def test_the_page_may_load_only_what_the_service_has() -> None:
    answer = MadeUpService().ask("GET", "/")
    assert answer.media_type.startswith("text/html")
    policy = dict(answer.headers)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert MadeUpService().ask("GET", "/static/page.js").body


def test_whatever_moves_or_tells_something_is_protected() -> None:
    open_paths = {r.path for r in MadeUpService().routes if not r.protected}
    assert open_paths == {
        *("/health", "/ready", "/metrics", "/openapi.json"),
        *("/", "/static/page.js", "/static/page.css"),
    }

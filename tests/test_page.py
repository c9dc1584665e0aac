"""The page of a generated service, used by a person in a real browser.

What it shows is compared with what the service answers to the same row. Screenshots
are left in ``build/page/``, to be looked at after a change. What the samples do not
have, and what a healthy service does not answer, is made up instead, without a server.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests import readme
from tests.generating import FOLDER, TEMPLATE, generate
from tests.interpreters import interpreter
from tests.machine import environment, free_port, running_server

SCREENSHOTS = TEMPLATE / "build" / "page"
PLAIN = {
    "data_versioning": "none",
    "experiment_tracking": "none",
    "responsible_ai": "no",
    "deployment": "none",
    "ci": "none",
}
KEY = "a secret of nobody"
# What the browser itself says to an answer that a test asks for.
EXPECTED = re.compile(
    r"Failed to load resource: .*(status of (401|422|500|503)|ERR_FAILED)"
)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

# task -> the values that are changed in the form
CHANGES = {
    "classification": {
        "age": 52,
        "education": "Doctorate",
        "occupation": None,
        "workclass": "Pirate",  # unknown to the schema
    },
    "regression": {
        "hr": 17,
        "workingday": False,
        "weathersit": "light rain/snow",
        "temp": 0.75,
    },
}


@contextmanager
def service(project: Path, variables: dict[str, str]) -> Iterator[str]:
    """Run the service of a project, and give its address."""
    port = free_port()
    log = project.with_suffix(".service.log")
    address = f"http://127.0.0.1:{port}"
    command = ["python", "-m", "src.serving.api"]
    variables = variables | {"SERVING_PORT": str(port)}
    with running_server(command, project, variables, f"{address}/health", log):
        yield address


@contextmanager
def opened(
    browser: Browser,
    url: str,
    route: Callable[[Route], None] | None = None,
    **options: Any,
) -> Iterator[Page]:
    """Open the page; what it complains about in the console fails the test.

    Args:
        browser: Opens it, as nobody who was there before.
        url: Of the service.
        route: Answers in place of the service, if given.
        options: What the window is like.
    """
    complaints: list[str] = []
    page = browser.new_page(locale="en-US", **options)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if route is not None:
        page.route("**/*", route)
    page.goto(url)
    yield page
    assert not [text for text in complaints if not EXPECTED.search(text)]
    page.close()


def asked(url: str, row: dict[str, Any]) -> Any:
    """Return the prediction of the service for a row."""
    headers = {"Content-Type": "application/json", "X-API-Key": KEY}
    with urlopen(Request(f"{url}/v1/predict", json.dumps(row).encode(), headers)) as a:
        return json.load(a)["predictions"][0]


def example(url: str) -> dict[str, Any]:
    """Return the example row that the service describes itself with."""
    with urlopen(f"{url}/openapi.json") as answer:
        row = json.load(answer)["components"]["schemas"]["Row"]
        return dict(row["examples"][0])


def fill(page: Page, column: str, value: Any) -> None:
    """Give a column a value, by the control that the page has for it."""
    control = page.get_by_label(column, exact=True)
    if control.evaluate("control => control.tagName") == "INPUT":
        control.fill("" if value is None else str(value))
    else:
        words = {True: "yes", False: "no", None: "no value"}
        control.select_option(label=words.get(value, value))


def number_in(text: str) -> float:
    """Return the number that a text begins with."""
    return float(re.sub(r"[^\d.+-]", "", text.replace("−", "-")))


def takes_a_key(browser: Browser, url: str) -> None:
    """Be asked for the key, give a wrong one, then the right one."""
    with opened(browser, url, viewport=WIDE) as page:
        status, key = page.get_by_role("status"), page.get_by_label("API key")
        expect(key).to_be_hidden()
        page.get_by_role("button", name="Predict").click()
        expect(key).to_be_focused()
        key.fill("wrong")
        key.press("Enter")
        expect(status).to_contain_text("does not accept")
        key.fill(KEY)
        key.press("Enter")
        expect(status).to_contain_text("Prediction")
        expect(key).to_be_hidden()
        stored = "[localStorage.length, sessionStorage.length, document.cookie]"
        assert page.evaluate(stored) == [0, 0, ""]


def waits_for_a_model(browser: Browser, url: str, promote: Callable[[], None]) -> None:
    """Open the page before there is a champion, and promote one meanwhile."""
    with opened(browser, url) as page:
        expect(page.get_by_role("status")).to_contain_text("no model yet")
        expect(page.locator("form")).to_be_hidden()
        promote()
        button = page.get_by_role("button", name="Predict")
        expect(button).to_be_visible(timeout=15_000)


def predicts(browser: Browser, url: str, task: str, **look: Any) -> None:
    """Change the example, and compare what is shown with what the service says."""
    found = asked(url, example(url) | CHANGES[task])
    with opened(browser, url, **look) as page:
        for column, value in CHANGES[task].items():
            fill(page, column, value)
        page.get_by_role("button", name="Predict").click()
        if task == "classification":
            page.get_by_label("API key").fill(KEY)
            page.get_by_label("API key").press("Enter")
        expect(page.get_by_text("Model version")).to_be_visible()
        shown = page.locator(".headline").inner_text()
        if task == "regression":
            assert number_in(shown) == pytest.approx(found["prediction"], rel=1e-4)
        else:
            assert shown == found["prediction"]
            names = page.locator(".bar span").all_inner_texts()
            values = page.locator(".bar strong").all_inner_texts()
            shares = {n: number_in(v) for n, v in zip(names, values, strict=True)}
            wanted = {k: round(100 * v, 1) for k, v in found["probabilities"].items()}
            assert shares == wanted
            expect(page.get_by_text("Not listed")).to_contain_text("workclass")
        name = f"{task}-{look['color_scheme']}-{look['viewport']['width']}"
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def names_each_refused_value(browser: Browser, url: str) -> None:
    """Give values beyond the limits, and none where one is needed."""
    with opened(browser, url, viewport=WIDE) as page:
        wrong = {"hr": 99, "temp": -1, "hum": None}
        for column, value in wrong.items():
            fill(page, column, value)
        page.get_by_label("hum", exact=True).press("Enter")
        expect(page.get_by_role("status")).to_contain_text("refuses 3 of the values")
        for column in wrong:
            control = page.get_by_label(column, exact=True)
            expect(control).to_have_attribute("aria-invalid", "true")
            described = control.get_attribute("aria-describedby") or ""
            expect(page.locator(f"#{described.split()[-1]}")).not_to_be_empty()
        expect(page.get_by_label("hr", exact=True)).to_be_focused()
        assert page.locator("[aria-invalid=true]").count() == len(wrong)
        page.screenshot(path=SCREENSHOTS / "refused.png")
        page.get_by_role("button", name="Back to the example").click()
        assert not page.locator("[aria-invalid=true]").count()
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_role("status")).to_contain_text("Prediction")


@pytest.mark.slow
def test_people_ask_the_service_on_its_page(
    folder: Path, browser: Browser, subtests: pytest.Subtests
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    census = generate(folder / "classification", **PLAIN)
    bikes = generate(folder / "regression", task="regression", **PLAIN)
    variables = environment(interpreter("3.12"))
    readme.run(["make setup"], census, variables)
    # Both need the same packages: the second one lives in the environment of the first.
    path = f"{census / '.venv/bin'}:{variables['PATH']}"
    variables |= {"PATH": path, "PYTHONPATH": "."}
    readme.run(["make data train evaluate"], census, variables)
    readme.run(["make data train evaluate promote WHY=first"], bikes, variables)

    def promote() -> None:
        readme.run(["make promote WHY=first"], census, variables)

    with service(census, variables | {"SERVING_API_KEY": KEY}) as url:
        with subtests.test("it waits for a model"):
            waits_for_a_model(browser, url, promote)
        with subtests.test("it asks for a key and forgets it"):
            takes_a_key(browser, url)
        for size in (WIDE, PHONE):
            with subtests.test("it predicts a class", **size):
                look = {"viewport": size, "color_scheme": "light"}
                predicts(browser, url, "classification", **look)
    with service(bikes, variables) as url:
        with subtests.test("it predicts a number, in the dark"):
            look = {"viewport": WIDE, "color_scheme": "dark"}
            predicts(browser, url, "regression", **look)
        with subtests.test("it says beside each field what is refused"):
            names_each_refused_value(browser, url)


# A schema as no sample has it: each type, optional or not, and names of all kinds.
HTML = "<img src=x onerror=alert(1)>"
NULL = {"type": "null"}
COLUMNS: dict[str, dict[str, Any]] = {
    "signed up": {"type": "string", "format": "date-time"},
    "seen at": {"anyOf": [{"type": "string", "format": "date-time"}, NULL]},
    "born": {"type": "string", "description": "A date as %d.%m.%Y."},
    "income": {"anyOf": [{"type": "number", "minimum": -1.5}, NULL]},
    "is member": {"anyOf": [{"type": "boolean"}, NULL]},
    "city": {"type": "string", "enum": ["Lima", "Oslo"]},
    HTML: {"type": "integer", "maximum": 9, "description": HTML},
}
EXAMPLE = {
    "signed up": "2024-05-01",
    "seen at": "2024-05-01T12:30:00",
    "born": "31.12.1999",
    "income": None,
    "is member": None,
    "city": "Oslo",
    HTML: 0,
}
REQUIRED = ["signed up", "born", "city", HTML]


class Fake:
    """A service of that schema, as the page sees it.

    Attributes:
        bodies: The bodies of the requests, in their order.
        refusals: The answers to the next requests, (status, content) of each.
    """

    def __init__(self) -> None:
        """Have been asked nothing yet."""
        self.bodies: list[Any] = []
        self.refusals: list[tuple[int, Any]] = []

    def __call__(self, route: Route) -> None:
        """Answer a request of the page."""
        path = route.request.url.split("/", 3)[3]
        if path == "":
            page = FOLDER / "src/serving/static/index.html"
            route.fulfill(body=page.read_bytes(), content_type="text/html")
        elif path == "openapi.json":
            row = {"properties": COLUMNS, "required": REQUIRED, "examples": [EXAMPLE]}
            info = {"title": HTML, "description": HTML}
            route.fulfill(json={"info": info, "components": {"schemas": {"Row": row}}})
        elif self.refusals:
            status, content = self.refusals.pop(0)
            route.fulfill(status=status, json=content)
        else:
            self.bodies.append(route.request.post_data_json)
            found = {"prediction": HTML, "probabilities": {HTML: 1}, "unknown": [HTML]}
            route.fulfill(json={"model_version": HTML, "predictions": [found]})


@contextmanager
def faked(browser: Browser) -> Iterator[tuple[Fake, Page, Callable[[], str]]]:
    """Open the page of a fake; the function asks it, and returns what it says."""
    fake = Fake()

    with opened(browser, "http://fake/", fake) as page:
        button = page.get_by_role("button", name="Predict")
        expect(button).to_be_visible()

        def ask() -> str:
            button.click()
            expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
            return page.get_by_role("status").inner_text()

        yield fake, page, ask


def test_every_type_of_column_has_its_control_and_is_sent_as_it_is(
    browser: Browser,
) -> None:
    with faked(browser) as (fake, page, ask):
        ask()
        given = {k: v for k, v in EXAMPLE.items() if v is not None}
        given |= {"signed up": "2024-05-01T00:00", "seen at": "2024-05-01T12:30"}
        assert fake.bodies == [given], "what is empty is left out"
        controls = page.locator("#fields :is(input, select)")
        kinds = controls.evaluate_all("all => all.map(one => one.type)")
        dates = ["datetime-local", "datetime-local", "text"]
        assert kinds == [*dates, "number", "select-one", "select-one", "number"]
        assert page.get_by_label("city").locator("option").count() == 2
        new = {"signed up": "2024-06-02T08:15", "income": 1.5, "is member": False}
        for column, value in (new | {"seen at": None}).items():
            fill(page, column, value)
        ask()
        del given["seen at"]
        assert fake.bodies[1] == given | new


def test_what_the_service_says_is_shown_as_text(browser: Browser) -> None:
    with faked(browser) as (fake, page, ask):
        assert page.title() == page.inner_text("h1") == HTML
        assert HTML in ask()
        problems = [
            {"loc": ["body", HTML], "msg": HTML},
            {"loc": ["body"], "msg": "no"},
        ]
        fake.refusals = [(422, {"detail": problems})]
        assert "refuses 2" in ask()
        assert page.locator(".problem").all_inner_texts()[-2:] == [HTML, "no"]
        assert not page.locator("img").count()


def test_a_service_that_cannot_answer_is_spoken_of_in_plain_words(
    browser: Browser,
) -> None:
    with faked(browser) as (fake, page, ask):
        fake.refusals = [(503, {"detail": "no model is loaded"}), (500, {})]
        assert ask() == "Status 503: no model is loaded"
        assert ask() == "Status 500: no answer"
        page.route("**/v1/predict", lambda route: route.abort())
        assert ask() == "The service cannot be reached. Is it running?"
        page.unroute("**/v1/predict")
        assert "Prediction" in ask()

"""The page of a generated service, used by a person in a real browser.

What it shows is compared with what the service answers to the same rows. Screenshots
are left in ``build/page/``, to be looked at after a change. What the samples do not
have, and what a healthy service does not answer, is made up instead, without a server.
"""

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

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

# task -> the values that are changed in the form, and how the page words them
CHANGES = {
    "classification": {
        "age": (52, "52"),
        "education": ("Doctorate", "Doctorate"),
        "occupation": (None, "no value"),
        "workclass": ("Pirate", "Pirate"),  # unknown to the schema
    },
    "regression": {
        "hr": (17, "17"),
        "workingday": (False, "no"),
        "weathersit": ("light rain/snow", "light rain/snow"),
        "temp": (0.75, "0.75"),
    },
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium; its own one, because to download one takes minutes."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(names)} on this machine")
    with sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=found) as browser:
            yield browser


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


def asked(url: str, rows: Any) -> Any:
    """Return the predictions of the service for rows."""
    headers = {"Content-Type": "application/json", "X-API-Key": KEY}
    body = json.dumps(rows).encode()
    with urlopen(Request(f"{url}/v1/predict", body, headers)) as answer:
        return json.load(answer)["predictions"]


def typical(url: str) -> dict[str, Any]:
    """Return the example row that the service describes itself with."""
    with urlopen(f"{url}/openapi.json") as answer:
        return dict(json.load(answer)["components"]["schemas"]["Row"]["example"])


def fill(page: Page, column: str, value: Any) -> None:
    """Give a column a value, by the control that the page has for it."""
    control = page.get_by_label(column, exact=True)
    if control.evaluate("control => control.tagName") == "INPUT":
        control.fill("" if value is None else str(value))
        return
    words = {True: "yes", False: "no", None: "no value"}.get(value, value)
    if words in control.locator("option").all_inner_texts():
        control.select_option(label=words)
    else:
        control.select_option(label="another value …")
        page.get_by_label(f"{column}: another value").fill(words)


def bars(page: Page, where: str) -> dict[str, str]:
    """Return what stands beside each bar of a list, in their order."""
    lines = page.locator(f"{where} > li")
    names = lines.locator(".name").all_inner_texts()
    return dict(zip(names, lines.locator(".value").all_inner_texts(), strict=True))


def number_in(text: str) -> float:
    """Return the number that a text begins with."""
    return float(re.sub(r"[^\d.+-]", "", text.replace("−", "-")))


def asks_for_a_model_and_finds_it(browser: Browser, url: str, promote: Any) -> None:
    """Open the page before there is a champion, and promote one meanwhile."""
    with opened(browser, url) as page:
        expect(page.get_by_role("status")).to_contain_text("no model yet")
        expect(page.locator("form")).to_be_hidden()
        promote()
        button = page.get_by_role("button", name="Predict")
        expect(button).to_be_visible(timeout=15_000)


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
        page.screenshot(path=SCREENSHOTS / "key.png")
        key.fill(KEY)
        key.press("Enter")
        expect(status).to_contain_text("Prediction")
        expect(key).to_be_hidden()
        page.get_by_text("model", exact=True).click()
        expect(page.locator("#model pre")).to_contain_text('"runtime"')
        stored = "[localStorage.length, sessionStorage.length, document.cookie]"
        assert page.evaluate(stored) == [0, 0, ""]


def predicts_and_explains(browser: Browser, url: str, task: str, **look: Any) -> None:
    """Change a typical row, and compare what is shown with what the service says."""
    changed = {column: value for column, (value, _) in CHANGES[task].items()}
    base = typical(url)
    row = base | changed
    replaced = [row | {column: base[column]} for column in changed]
    given, *others = asked(url, [row, *replaced])
    label = given["prediction"]

    def value(answer: dict[str, Any]) -> float:
        shares = answer.get("probabilities")
        return 100 * shares[label] if shares else answer["prediction"]

    effects = dict(zip(changed, (value(given) - value(o) for o in others), strict=True))
    with opened(browser, url, **look) as page:
        start(page, task)
        for column, new in changed.items():
            fill(page, column, new)
        page.get_by_role("button", name="Predict").click()
        heading = page.get_by_role("heading", name="What moves this prediction")
        expect(heading).to_be_visible()

        shown = page.get_by_role("status").inner_text().split("\n")[-1]
        if task == "regression":
            assert number_in(shown) == pytest.approx(label, rel=1e-4)
        else:
            assert shown == label
            shares = bars(page, "#details > ul:not(#effects)")
            expected = {k: round(100 * v, 1) for k, v in given["probabilities"].items()}
            assert {k: number_in(v) for k, v in shares.items()} == expected
            unknown = page.get_by_text("Unknown to the model")
            expect(unknown).to_contain_text("workclass")
        moved = {k: number_in(v) for k, v in bars(page, "#effects").items()}
        order = sorted(effects, key=lambda column: -abs(effects[column]))
        assert list(moved) == order[: len(moved)] and moved
        rounding = {"abs": 0.051} if task == "classification" else {"rel": 0.006}
        assert moved == pytest.approx({k: effects[k] for k in moved}, **rounding)
        least = [k for k in order if k not in moved]
        assert all(abs(effects[k]) <= 0.01 * abs(effects[order[0]]) for k in least)
        for column in moved:
            line = page.locator("#effects > li", has_text=column)
            expect(line).to_contain_text(f"{CHANGES[task][column][1]} instead of")
        assert re.search(r"Model version \S+ · request \S+", page.inner_text("#answer"))

        name = f"{task}-{look['color_scheme']}-{look['viewport']['width']}"
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        back = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 200) is (
            look["color_scheme"] == "dark"
        )


def start(page: Page, task: str) -> None:
    """Ask for the typical row; where a key is wanted, give it."""
    page.get_by_role("button", name="Predict").click()
    if task == "classification":
        page.get_by_label("API key").fill(KEY)
        page.get_by_label("API key").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Prediction")
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    assert not page.get_by_role("heading", name="What moves").count(), "it is typical"


def names_each_refused_value(browser: Browser, url: str) -> None:
    """Give values beyond the limits, and none where one is needed."""
    with opened(browser, url, viewport=WIDE) as page:
        start(page, "regression")
        wrong = {"hr": 99, "temp": -1, "hum": None}
        for column, value in wrong.items():
            fill(page, column, value)
        page.get_by_label("hum", exact=True).press("Enter")
        expect(page.get_by_role("status")).to_have_text("3 columns need another look.")
        for column in wrong:
            control = page.get_by_label(column, exact=True)
            expect(control).to_have_attribute("aria-invalid", "true")
            described = control.get_attribute("aria-describedby") or ""
            problem = page.locator(f"#{described.split()[-1]}")
            expect(problem).not_to_be_empty()
        expect(page.get_by_label("hr", exact=True)).to_be_focused()
        assert page.locator("[aria-invalid=true]").count() == len(wrong)
        page.screenshot(path=SCREENSHOTS / "refused.png")
        page.get_by_role("button", name="Back to a typical row").click()
        assert not page.locator("[aria-invalid=true]").count()
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_role("status")).to_contain_text("Prediction")


def runs_no_code_of_others(browser: Browser, url: str) -> None:
    """Put a script into the page, as an attacker might: the policy stops it."""
    page = browser.new_page()
    page.goto(url)
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.hacked = true";
        document.body.append(script);
    }""")
    assert page.evaluate("window.hacked") is None
    page.close()


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
            asks_for_a_model_and_finds_it(browser, url, promote)
        with subtests.test("it asks for a key and forgets it"):
            takes_a_key(browser, url)
        for size in (WIDE, PHONE):
            with subtests.test("it predicts a class and explains it", **size):
                look = {"viewport": size, "color_scheme": "light"}
                predicts_and_explains(browser, url, "classification", **look)
    with service(bikes, variables) as url:
        with subtests.test("it predicts a number and explains it, in the dark"):
            look = {"viewport": WIDE, "color_scheme": "dark"}
            predicts_and_explains(browser, url, "regression", **look)
        with subtests.test("it says beside each field what is refused"):
            names_each_refused_value(browser, url)
        with subtests.test("it runs no code of others"):
            runs_no_code_of_others(browser, url)


# A schema as no sample has it: each type, optional or not, and names of all kinds.
HTML = "<img src=x onerror=alert(1)>"
COLUMNS: dict[str, dict[str, Any]] = {
    "signed up": {"type": "string", "description": "a date as ISO 8601"},
    "seen at": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "born": {"type": "string", "description": "a date as %d.%m.%Y"},
    "income": {"anyOf": [{"type": "number", "minimum": -1.5}, {"type": "null"}]},
    "is member": {"type": ["boolean", "null"]},
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
    HTML: 3,
}
REQUIRED = [name for name in EXAMPLE if EXAMPLE[name] is not None and name != "seen at"]


class Fake:
    """A service of that schema, as the page sees it; it predicts how long a row is.

    Attributes:
        bodies: The bodies of the requests, in their order.
        refusals: The answers to the next requests, (status, content, headers) of each.
        version: Of the model that answers.
    """

    def __init__(self) -> None:
        """Read the page from the template."""
        spec = importlib.util.spec_from_file_location(
            "page", FOLDER / "src/serving/page.py"
        )
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.files = module.read_page()
        self.bodies: list[Any] = []
        self.refusals: list[tuple[int, Any, dict[str, str]]] = []
        self.versions = iter("1" * 99)

    def __call__(self, route: Route) -> None:
        """Answer a request of the page."""
        path = "/" + route.request.url.split("/", 3)[3]
        if path in self.files:
            file = self.files[path]
            headers = dict(file.headers) | {"Content-Type": file.media_type}
            route.fulfill(body=file.body, headers=headers)
        elif path == "/openapi.json":
            route.fulfill(json=self.document())
        elif self.refusals:
            status, content, headers = self.refusals.pop(0)
            route.fulfill(status=status, json=content, headers=headers)
        else:
            body = route.request.post_data_json
            self.bodies.append(body)
            rows = body if isinstance(body, list) else [body]
            found = [{"prediction": len(str(row)), "unknown": []} for row in rows]
            content = {"model_version": next(self.versions), "predictions": found}
            route.fulfill(json=content)

    @staticmethod
    def document() -> dict[str, Any]:
        """Return what describes it."""
        reference = {"$ref": "#/components/schemas/Row"}
        body = {"oneOf": [reference, {"type": "array", "maxItems": 2}]}
        content = {"application/json": {"schema": body, "example": EXAMPLE}}
        row = {"properties": COLUMNS, "required": REQUIRED}
        return {
            "info": {"title": HTML, "description": HTML},
            "paths": {"/v1/predict": {"post": {"requestBody": {"content": content}}}},
            "components": {"schemas": {"Row": row}},
        }


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
        assert fake.bodies == [given], "what is empty is left out"
        controls = page.locator("#fields :is(input, select):visible")
        kinds = controls.evaluate_all("all => all.map(one => one.type)")
        dates = ["date", "datetime-local", "text"]
        assert kinds == [*dates, "number", "select-one", "select-one", "number"]
        assert page.get_by_label("city").locator("option").count() == 2
        new = {"signed up": "2024-06-02", "income": 1.5, "is member": False}
        for column, value in (new | {"seen at": None}).items():
            fill(page, column, value)
        ask()
        del given["seen at"]
        assert fake.bodies[1] == given | new


def test_an_explanation_asks_for_as_many_rows_at_once_as_are_allowed(
    browser: Browser,
) -> None:
    with faked(browser) as (fake, page, ask):
        changed = {"city": "Lima", "is member": True, "income": 2, HTML: 4}
        for column, value in changed.items():
            fill(page, column, value)
        ask()
        expect(page.locator("#effects")).to_be_visible()
        row, *parts = fake.bodies
        assert [len(part) for part in parts] == [2, 2]
        columns = [column for column in EXAMPLE if column in changed]
        for column, other in zip(columns, sum(parts, []), strict=True):
            expected = row | {column: EXAMPLE[column]}
            assert other == {k: v for k, v in expected.items() if v is not None}
        assert "Less or nothing: city" in page.inner_text("#details")


def test_there_is_no_explanation_by_another_model_than_the_one_that_predicted(
    browser: Browser,
) -> None:
    with faked(browser) as (fake, page, ask):
        fill(page, "city", "Lima")
        fake.versions = iter("12")
        assert "Prediction" in ask()
        assert len(fake.bodies) == 2
        assert not page.locator("#effects").count()


def test_what_the_service_says_is_shown_as_text(browser: Browser) -> None:
    with faked(browser) as (fake, page, ask):
        assert page.title() == page.inner_text("h1") == HTML
        problem = {"column": HTML, "problem": HTML}
        fake.refusals = [(422, {"detail": [problem, {"problem": "rows?"}]}, {})]
        assert ask() == "One column needs another look."
        assert page.locator(".problem").all_inner_texts()[-1] == HTML
        assert page.inner_text("#details") == "rows?"
        assert not page.locator("img").count()


def test_a_service_that_cannot_answer_is_spoken_of_in_plain_words(
    browser: Browser,
) -> None:
    with faked(browser) as (fake, page, ask):
        busy = {"detail": "too much to do"}
        fake.refusals = [(503, busy, {"Retry-After": "1"}), (500, {}, {})]
        said = "The service cannot answer now: too much to do. Try again in 1 s."
        assert ask() == said
        assert ask() == "The service answered with status 500."
        page.route("**/v1/predict", lambda route: route.abort())
        assert ask() == "The service cannot be reached. Is it running?"
        page.unroute("**/v1/predict")
        assert "Prediction" in ask()

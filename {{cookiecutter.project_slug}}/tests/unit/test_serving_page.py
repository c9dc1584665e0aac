"""The page: whole, packaged, and within what its security policy allows."""

import re
import tomllib

import pytest

from src.serving.page import FILES, FOLDER, read_page
from src.utils.config import PROJECT_ROOT

HTML = read_page()["/"].body.decode()


def test_every_file_of_the_folder_is_served_as_what_it_is() -> None:
    page = read_page()
    assert {path.name for path in FOLDER.iterdir()} == {n for n, _ in FILES.values()}
    types = {path: file.media_type.split(";")[0] for path, file in page.items()}
    assert types == {
        "/": "text/html",
        "/static/page.css": "text/css",
        "/static/page.js": "text/javascript",
    }
    assert all(file.body for file in page.values())


def test_an_installed_package_holds_the_files() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    packaged = {path for p in patterns for path in FOLDER.parent.glob(p)}
    assert set(FOLDER.iterdir()) <= packaged


def test_what_the_html_asks_for_is_there_also_behind_a_path_of_a_proxy() -> None:
    asked = re.findall(r"""(?:src|href)="(?!data:)([^"]+)""", HTML)
    assert {"static/page.css", "static/page.js"} <= set(asked)
    routes = {"/openapi.json", "/metrics", *read_page()}
    assert {f"/{path}" for path in asked} <= routes, "relative, and known"


@pytest.mark.parametrize("path", FILES)
def test_nothing_is_loaded_from_elsewhere(path: str) -> None:
    text = read_page()[path].body.decode().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text)


def test_the_policy_allows_no_code_or_style_in_the_html_and_there_is_none() -> None:
    policy = dict(read_page()["/"].headers)["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "*" not in policy
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", HTML, re.DOTALL)
    assert scripts and all("src=" in tag and not code for tag, code in scripts)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", HTML)


def test_what_the_service_answers_never_becomes_html() -> None:
    code = read_page()["/static/page.js"].body.decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write", code)
    assert not re.search(r"\beval\b|Function\(|localStorage|sessionStorage", code)

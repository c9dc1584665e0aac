"""The page at ``/``, where a person fills in a row and sees its prediction.

Three files of plain HTML, CSS and JavaScript, which ask the service itself what a row
holds; nothing is fetched from elsewhere.
"""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/static/page.css": ("page.css", "text/css; charset=utf-8"),
    "/static/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
HEADERS = (
    # A new version of the service comes with a page of its own.
    ("Cache-Control", "no-cache"),
    # What the page may load and ask: this service, and nothing that stands in its HTML.
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
)


class PageFile(NamedTuple):
    """A file of the page, as an answer carries it."""

    body: bytes
    media_type: str
    headers: tuple[tuple[str, str], ...] = HEADERS


def read_page() -> dict[str, PageFile]:
    """Return the files of the page by the path that they are asked for with.

    Raises:
        FileNotFoundError: If one is missing, because the package is not whole.
    """
    return {
        path: PageFile((FOLDER / name).read_bytes(), media_type)
        for path, (name, media_type) in FILES.items()
    }

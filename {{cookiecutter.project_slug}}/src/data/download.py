"""One attempt at downloading a file over HTTP."""

from pathlib import Path

import requests
from tqdm import tqdm

from src.utils.files import CHUNK_BYTES

TIMEOUT_SECONDS = 30
# Answers that another attempt may change: time-outs, too many requests, server errors.
TRANSIENT_STATUS = (408, 425, 429, *range(500, 600))


class DownloadError(Exception):
    """Why an attempt failed, and whether another one may succeed."""

    def __init__(self, reason: str, transient: bool) -> None:
        """Keep the reason as the text of the error."""
        super().__init__(reason)
        self.transient = transient


def stream_to(url: str, path: Path) -> None:
    """Write what ``url`` answers to ``path``, with a progress bar on a terminal.

    Args:
        url: An HTTP(S) address.
        path: Overwritten; incomplete if an error is raised.

    Raises:
        DownloadError: If there is no answer, an error status, or less than announced.
    """
    try:
        with requests.get(
            url,
            stream=True,
            timeout=TIMEOUT_SECONDS,
            # The bytes of the file itself, not compressed for the way.
            headers={"Accept-Encoding": "identity"},
        ) as answer:
            answer.raise_for_status()
            _save(answer, path)
    except requests.HTTPError:
        status = answer.status_code
        reason = f"HTTP status {status}"
        raise DownloadError(reason, status in TRANSIENT_STATUS) from None
    except (requests.ConnectionError, requests.Timeout) as error:
        raise DownloadError(type(error).__name__, transient=True) from None
    except requests.exceptions.ChunkedEncodingError:
        raise DownloadError("the connection broke off", transient=True) from None
    except requests.RequestException as error:
        raise DownloadError(type(error).__name__, transient=False) from None


def _save(answer: requests.Response, path: Path) -> None:
    """Write the body of ``answer`` to ``path``, chunk by chunk."""
    total = int(answer.headers.get("Content-Length", 0)) or None
    # disable=None: no bar where standard error is a file or a log.
    with (
        path.open("wb") as file,
        tqdm(total=total, unit="B", unit_scale=True, disable=None) as progress,
    ):
        for chunk in answer.iter_content(CHUNK_BYTES):
            file.write(chunk)
            progress.update(len(chunk))

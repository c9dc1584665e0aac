"""The keys that callers must know, if any are asked for."""

import hmac
import logging
import time
from hashlib import sha256
from pathlib import Path

from src.serving.settings import ServingSettings

CHECK_SECONDS = 1.0  # a key that was taken out of the file is good no longer than this

logger = logging.getLogger(__name__)


class ApiKeys:
    """The key of the settings and those of the file, which may change at any time.

    Attributes:
        are_asked_for: Whether a caller needs one.
    """

    def __init__(self, serving: ServingSettings) -> None:
        """Take the settings that hold or name the keys.

        Args:
            serving: ``api_key`` holds one, ``api_keys_file`` names the file of more;
                without either, everybody may ask.
        """
        key = serving.api_key
        self._own = [_digest(key.get_secret_value())] if key is not None else []
        self._path = serving.api_keys_file
        self._content: bytes | None = None
        self._digests = self._own
        self._read_at = -CHECK_SECONDS
        self.are_asked_for = bool(self._own) or self._path is not None
        if self._path is not None:
            self._renew(self._path)

    def allow(self, given: str | None) -> bool:
        """Return whether a caller may ask.

        Args:
            given: The key that came with the request, as a header is decoded.
        """
        if not self.are_asked_for:
            return True
        if self._path is not None and time.monotonic() - self._read_at > CHECK_SECONDS:
            self._renew(self._path)
        digest = _digest(given or "")
        # All of them, each in constant time: how long it takes must not tell how much
        # of a key is right, or which one it is.
        equal = [hmac.compare_digest(digest, known) for known in self._digests]
        return given is not None and any(equal)

    def _renew(self, path: Path) -> None:
        """Read the file again; one that has no key lets nobody in."""
        self._read_at = time.monotonic()
        problem = ""
        try:
            content = path.read_bytes()
        except OSError as error:
            content, problem = b"", f"{error.strerror or 'cannot be read'}; "
        if content == self._content:
            return
        self._content = content
        lines = (line.strip() for line in content.splitlines())
        keys = [line for line in lines if line and not line.startswith(b"#")]
        self._digests = [*self._own, *(sha256(key).digest() for key in keys)]
        if keys:
            logger.info("%s: %d keys are valid from now on", path, len(keys))
        else:
            message = "%s: %sno key of it is valid, expected one key a line"
            logger.error(message, path, problem)


def _digest(key: str) -> bytes:
    """Return the digest of a key, whose length then tells nothing about the key's.

    Servers decode headers as Latin-1, whatever the caller meant.
    """
    return sha256(key.encode("latin-1", "backslashreplace")).digest()

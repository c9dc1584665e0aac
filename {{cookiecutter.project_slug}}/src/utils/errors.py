"""The errors that a user can cause and mend; every other exception is a defect."""

import re
from collections.abc import Iterator
from contextlib import contextmanager


class ProjectError(Exception):
    """What was wrong, where, what was expected and what to do, in one line."""


class ConfigError(ProjectError):
    """What a person wrote (settings, data schema, arguments) cannot be used."""


class DataError(ProjectError):
    """What is there (data, a model file, the registry, a server) cannot be used."""


@contextmanager
def reported(
    failures: tuple[type[Exception], ...],
    what: str,
    advice: str,
    kind: type[ProjectError] = DataError,
) -> Iterator[None]:
    """Turn errors of a library into ours, with passwords in URLs masked."""
    try:
        yield
    except failures as error:
        problem = " ".join(str(getattr(error, "strerror", None) or error).split())[:300]
        text = f"{what} ({problem}); {advice}"
        raise kind(re.sub(r"(://[^/@\s]*:)[^/@\s]+@", r"\1***@", text)) from None

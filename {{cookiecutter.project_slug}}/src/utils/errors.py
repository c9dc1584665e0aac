"""The errors that a person using the project can cause, and can mend.

Every command turns them into one line on standard error (see ``src/utils/cli.py``);
any other exception is a defect and keeps its traceback.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

PASSWORD = re.compile(r"(://[^/@\s]*:)[^/@\s]+@")


class ProjectError(Exception):
    """What was wrong, where, what was expected and what to do, in one line."""


class ConfigError(ProjectError):
    """A configuration file or environment variable cannot be used."""


class DataError(ProjectError):
    """Data are missing, unreadable, or break the contract in the data schema."""


class ModelError(ProjectError):
    """A model is unknown, missing, or not the one that its record describes."""


class TrackingError(ProjectError):
    """A run cannot be recorded where the configuration says."""


@contextmanager
def reported(
    failures: tuple[type[Exception], ...],
    kind: type[ProjectError],
    what: str,
    advice: str,
) -> Iterator[None]:
    """Say in one line what a library could not do, for a block or as a decorator.

    Args:
        failures: What the library raises where a person can mend it.
        kind: What is raised instead.
        what: What went wrong, and where; a password in an address is left out.
        advice: What to do.

    Raises:
        ProjectError: Of that kind.
    """
    try:
        yield
    except failures as error:
        problem = " ".join(str(error).split())[:300]
        message = f"{what} ({problem}); {advice}"
        raise kind(PASSWORD.sub(r"\1***@", message)) from None

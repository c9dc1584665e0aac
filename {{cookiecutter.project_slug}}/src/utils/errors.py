"""The errors that a person using the project can cause, and can mend.

Every command turns them into one line on standard error (see ``src/utils/cli.py``);
any other exception is a defect and keeps its traceback.
"""


class ProjectError(Exception):
    """What was wrong, where, what was expected and what to do, in one line."""


class ConfigError(ProjectError):
    """A configuration file or environment variable cannot be used."""


class DataError(ProjectError):
    """Data are missing, unreadable, or break the contract in the data schema."""


class ModelError(ProjectError):
    """A model is unknown, missing, or not the one that its record describes."""

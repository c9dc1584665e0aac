"""What all commands share: their configuration options, and how they fail."""

import argparse
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

from src.utils.config import CONFIG_DIR, Settings, default_env_config, load_settings
from src.utils.errors import ProjectError
from src.utils.logging import setup_logging

# What a disk or its owner refuses; any other error of the system is a defect.
REFUSED = {"EACCES", "EDQUOT", "EFBIG", "EIO", "ENOSPC", "EPERM", "EROFS"}


def config_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that name the configuration files."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIG_DIR / "pipeline_config.yaml",
        help="data, preprocessing and evaluation (default: %(default)s)",
    )
    parser.add_argument(
        "--model-config",
        type=Path,
        default=CONFIG_DIR / "model_config.yaml",
        help="model and training strategy (default: %(default)s)",
    )
    parser.add_argument(
        "--env-config",
        type=Path,
        default=None,
        help="environment (default: config/env/$MLOPS_ENV.yaml, dev if unset)",
    )
    return parser


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Load the settings that the command line names, and set up logging with them.

    Raises:
        ConfigError: If a file is missing or a setting is not valid.
    """
    settings = load_settings(
        arguments.config,
        arguments.model_config,
        arguments.env_config or default_env_config(),
    )
    setup_logging(settings.logging)
    return settings


def run(command: Callable[[], object]) -> None:
    """Run ``command`` and leave the process with its exit status.

    A :class:`ProjectError`, and a disk that is full or must not be written to, become
    one line on standard error and status 1.
    """
    try:
        command()
    except ProjectError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        # The reader (``| head``) has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if errno.errorcode.get(error.errno or 0) not in REFUSED:
            raise
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(
            f"error: {where}{error.strerror}; see whether the disk is full or "
            "read-only, and whose the file is"
        )

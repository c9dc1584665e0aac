"""What all commands share: their configuration options, and how they fail."""

import argparse
import errno
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from src.utils.config import MODEL_CONFIG, PIPELINE_CONFIG, Settings, load_settings
from src.utils.errors import ProjectError
from src.utils.logging import setup_logging

# What a disk or its owner refuses; any other error of the system is a defect.
REFUSED = {"EACCES", "EDQUOT", "EFBIG", "EIO", "ENOSPC", "EPERM", "EROFS"}


def config_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that name the configuration files."""
    parser = argparse.ArgumentParser(description=description)
    add = partial(parser.add_argument, type=Path)
    add("--config", default=PIPELINE_CONFIG, help="default: %(default)s")
    add("--model-config", default=MODEL_CONFIG, help="default: %(default)s")
    add("--env-config", help="default: config/env/$MLOPS_ENV.yaml, dev if unset")
    return parser


def settings_from(args: argparse.Namespace) -> Settings:
    """Load the settings that the command line names, and set up logging with them."""
    settings = load_settings(args.config, args.model_config, args.env_config)
    setup_logging(settings.logging)
    return settings


def run(command: Callable[[], object]) -> None:
    """Run a command; what a user or the disk did wrong is one line and status 1."""
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
        advice = "see whether the disk is full or read-only, and whose the file is"
        sys.exit(f"error: {where}{error.strerror}; {advice}")

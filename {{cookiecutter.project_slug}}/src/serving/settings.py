"""Typed settings of the service, from config/serving_config.yaml and the environment.

A variable ``SERVING_<KEY>`` wins over the file ``.env``, which wins over the YAML file.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError

from src.utils.config import (
    CONFIG_DIR,
    ENV_FILE,
    ProjectPath,
    Section,
    describe,
    read_yaml,
)
from src.utils.errors import ConfigError

ENV_PREFIX = "SERVING_"

# An empty variable, as in a copied .env.example, sets nothing.
Unset = BeforeValidator(lambda value: None if value == "" else value)


class ServingSettings(Section):
    """How the service listens, what it loads and what it refuses."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    model_path: Annotated[ProjectPath | None, Unset] = None
    max_rows: int = Field(default=1000, ge=1)
    max_body_bytes: int = Field(default=1024 * 1024, ge=1)
    unknown_categories: Literal["answer", "refuse"] = "answer"
    api_key: Annotated[SecretStr | None, Unset] = None


def load_serving_settings(
    path: Path = CONFIG_DIR / "serving_config.yaml",
) -> ServingSettings:
    """Read the settings of the service.

    Args:
        path: The YAML file.

    Returns:
        The validated settings.

    Raises:
        ConfigError: If the file is missing, or a key is unknown or of the wrong type;
            it names each such key and where it was set.
    """
    merged: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    layers = [
        (str(path), read_yaml(path)),
        (str(ENV_FILE), _variables(dotenv_values(ENV_FILE))),
        ("environment", _variables(os.environ)),
    ]
    for name, layer in layers:
        merged |= layer
        origin |= {(key,): name for key in layer}
    try:
        return ServingSettings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(describe(error, ServingSettings, origin, str(path))) from None


def _variables(variables: Any) -> dict[str, str]:
    """Return the settings among environment variables, by their key."""
    return {
        name.removeprefix(ENV_PREFIX).lower(): value
        for name, value in variables.items()
        if name.startswith(ENV_PREFIX) and value is not None
    }

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


# YAML reads a plain `off` as false.
Off = BeforeValidator(lambda value: "off" if value is False else value)


class ServingSettings(Section):
    """How the service listens, which models answer, who may ask, what is refused.

    Attributes:
        host: The address that it listens on.
        port: The port; 0 for any that is free.
        model_path: A model file, or a place of releases; the registry if None.
        refresh_seconds: How often it looks for another champion.
        challenger: Whether the challenger answers none of the requests, some of them
            in the shadow of the champion, or some of them in its place.
        challenger_share: The share of the requests that the challenger gets.
        challenger_key: The header whose value decides, as a canary, which of the two
            models answers; requests with the same value get the same one.
        unknown_categories: What happens to categories that the schema does not list.
        max_rows: How many rows a request may hold.
        max_body_bytes: How large the body of a request may be.
        max_batch_rows: How many rows a table may hold.
        max_batch_bytes: How large a table may be.
        max_in_flight: How many requests are worked on at once; more are turned away.
        body_seconds: How long the body of a request may take to arrive.
        drain_seconds: How long the service waits, at its end, for those under way.
        api_key: A key that callers must know.
        api_keys_file: A file of more of them, one a line; read again when it changes.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    model_path: Annotated[ProjectPath | None, Unset] = None
    refresh_seconds: float = Field(default=2.0, gt=0, le=3600)
    challenger: Annotated[Literal["off", "shadow", "canary"], Off] = "off"
    challenger_share: float = Field(default=0.1, ge=0, le=1)
    challenger_key: str = Field(default="X-Routing-Key", pattern=r"^[A-Za-z0-9-]+$")
    unknown_categories: Literal["answer", "refuse"] = "answer"
    max_rows: int = Field(default=1000, ge=1)
    max_body_bytes: int = Field(default=1024 * 1024, ge=1)
    max_batch_rows: int = Field(default=1_000_000, ge=1)
    max_batch_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    max_in_flight: int = Field(default=128, ge=1)
    body_seconds: float = Field(default=30.0, gt=0, le=3600)
    drain_seconds: float = Field(default=10.0, ge=0, le=3600)
    api_key: Annotated[SecretStr | None, Unset] = None
    api_keys_file: Annotated[ProjectPath | None, Unset] = None


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

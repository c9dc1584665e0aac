"""Typed settings of the service: a variable ``SERVING_<KEY>`` wins over the file
``.env``, which wins over ``config/serving_config.yaml``."""

import socket
from pathlib import Path

from pydantic import Field, SecretStr

from src.utils import config
from src.utils.errors import reported

ENV_PREFIX = "SERVING_"
SERVING_CONFIG = config.CONFIG_DIR / "serving_config.yaml"


class ServingSettings(config.Section):
    """How the service listens, which model answers, who may ask, what is refused."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    alias: str = "champion"
    model_path: config.ProjectPath | None = None
    refresh_seconds: float = Field(default=2.0, gt=0, le=3600)
    max_rows: int = Field(default=1000, ge=1)
    max_batch_rows: int = Field(default=100_000, ge=1)
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    drain_seconds: float = Field(default=2.0, ge=0, le=3600)
    api_key: SecretStr | None = None

    @property
    def keys(self) -> list[bytes]:
        """The keys that callers may have; everybody may ask if there are none."""
        text = self.api_key.get_secret_value() if self.api_key else ""
        return [key.strip().encode() for key in text.split(",") if key.strip()]


def load_serving_settings(path: Path = SERVING_CONFIG) -> ServingSettings:
    """Read the settings; ConfigError names each wrong key, and where it was set."""
    return config.read_settings(ServingSettings, [path], ENV_PREFIX, str)


def check_address(serving: ServingSettings) -> None:
    """Raise DataError if the service cannot listen where it is told to."""
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    what = f"port {serving.port} of {serving.host} cannot be listened at"
    advice = "SERVING_PORT, or `port` in config/serving_config.yaml, takes another"
    with reported((OSError,), what, advice):
        socket.create_server((serving.host, serving.port), family=family).close()

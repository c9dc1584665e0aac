"""Typed settings of the monitoring: a variable ``MONITORING_<SECTION>__<KEY>`` wins
over the file ``.env``, which wins over ``config/monitoring_config.yaml``."""

from typing import Literal

from pydantic import Field

from src.data.schema import DataSchema
from src.utils import config
from src.utils.errors import ConfigError

CONFIG_NAME = "monitoring_config.yaml"


class LogSettings(config.Section):
    personal: list[str] = []
    key: str | None = None
    part_rows: int = Field(default=10_000, ge=1)
    part_seconds: float = Field(default=60, gt=0)
    queue_requests: int = Field(default=10_000, ge=1)
    retention_days: int = Field(default=90, ge=1, le=36_500)


class WindowSettings(config.Section):
    days: float = Field(default=7, gt=0)
    min_rows: int = Field(default=200, ge=30)
    min_labels: int = Field(default=200, ge=30)


class AlarmSettings(config.Section):
    rate: float = Field(default=0.05, gt=0, lt=1)
    min_share: float = Field(default=0.05, ge=0, lt=1)
    min_loss: float = Field(default=0.02, ge=0)
    unchecked: list[str] = []


class RetrainingSettings(config.Section):
    labelled_predictions: bool = True
    alarms: list[Literal["drift", "performance"]] = ["drift", "performance"]
    every_days: float | None = Field(default=30, gt=0)
    new_labels: int | None = Field(default=1000, ge=1)
    cooldown_hours: float = Field(default=24, ge=0)


class MonitoringSettings(config.Section):
    """What is kept of predictions, when they raise an alarm, and what follows."""

    log: LogSettings = LogSettings()
    window: WindowSettings = WindowSettings()
    alarm: AlarmSettings = AlarmSettings()
    retraining: RetrainingSettings = RetrainingSettings()


def load_monitoring_settings(
    settings: config.Settings, schema: DataSchema
) -> MonitoringSettings:
    """Read the settings beside the data schema, whose columns they name; without the
    file the defaults hold. ConfigError names each wrong key, and unknown columns."""
    path = settings.data.schema_path.with_name(CONFIG_NAME)
    files = [path] if path.exists() else []
    found = config.read_settings(MonitoringSettings, files, "MONITORING_")
    log, alarm = found.log, found.alarm
    named = {"log.personal": log.personal, "alarm.unchecked": alarm.unchecked}
    for key, columns in (named | {"log.key": [log.key] if log.key else []}).items():
        if unknown := [name for name in columns if name not in schema.columns]:
            expected = f"columns of the data schema: {', '.join(schema.columns)}"
            raise ConfigError(f"{path}: {key}: found {unknown}, expected {expected}")
    if log.key in log.personal:
        problem = f"{log.key!r} is in log.personal, and what it holds is written down"
        raise ConfigError(f"{path}: log.key: {problem}; choose another column")
    return found

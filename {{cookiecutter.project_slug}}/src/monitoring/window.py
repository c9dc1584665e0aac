"""The latest part of the prediction log, with the labels that have arrived."""

from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from src.data.columns import Column
from src.data.schema import DataSchema
from src.evaluation.metrics import Predictions
from src.monitoring.labels import LABELS
from src.monitoring.reference import predictions, typed
from src.monitoring.settings import MonitoringSettings
from src.utils.config import Settings
from src.utils.errors import DataError, reported


class Window(NamedTuple):
    """What one version was asked and answered, and what was true, NaN if unknown."""

    version: str  # as the service names it
    time: Column
    features: pd.DataFrame
    predictions: Predictions
    others: int  # rows in the window that other versions have answered


def load_window(
    settings: Settings, chosen: MonitoringSettings, schema: DataSchema
) -> Window:
    """Return the last days of the log, of the version that answered last; DataError if
    nothing was logged."""
    folder = settings.paths.data / "predictions"
    log = _read(folder, chosen.window.days)
    if log is None:
        problem = f"{folder}: no predictions; the service writes what it answers there"
        raise DataError(f"{problem}: `make serve`")
    frame = log.drop_columns(["features", "probabilities"]).to_pandas()
    latest = frame.loc[frame["time"].idxmax()]
    inside = frame["time"] > latest["time"] - timedelta(days=chosen.window.days)
    own = inside & (frame["model_version"] == latest["model_version"])
    log, frame = log.filter(pa.array(own)), frame[own].reset_index(drop=True)
    given = log["features"].combine_chunks()
    features = {
        name: typed(given.field(name).to_pandas(), schema.columns[name].type)
        for name in given.type.names
        if name in schema.features
    }
    shares = pd.DataFrame(
        [dict(pairs or ()) for pairs in log["probabilities"].to_pylist()]
    )
    truth = _truth(frame, folder / LABELS, chosen)
    said = predictions(settings, frame["prediction"], truth, shares.to_dict("list"))
    others = int((inside & ~own).sum())
    return Window(
        latest["model_version"], frame["time"], pd.DataFrame(features), said, others
    )


def _truth(frame: pd.DataFrame, folder: Path, chosen: MonitoringSettings) -> Column:
    """Return the last label of each row of the log, NaN where there is none."""
    keys = ["key"] if chosen.log.key else ["request_id", "row"]
    if (labels := _read(folder)) is None:
        return pd.Series(index=frame.index, dtype="float64")
    given = labels.to_pandas().sort_values("time", kind="stable")
    given = given.dropna(subset=keys).drop_duplicates(keys, keep="last")
    return frame[keys].merge(given, "left", on=keys)["label"]


def _read(folder: Path, days: float | None = None) -> pa.Table | None:
    """Return the files of the last days in a folder as one table; None without any."""
    paths = sorted(folder.glob("????-??-??/[!.]*.parquet"))
    if paths and days:
        last = date.fromisoformat(paths[-1].parent.name)
        first = f"{last - timedelta(days=days + 1):%Y-%m-%d}"
        paths = [path for path in paths if path.parent.name >= first]
    failures = (OSError, pa.ArrowException)
    with reported(failures, f"{folder}: cannot be read", "delete or restore the file"):
        tables = [pa.parquet.ParquetFile(path).read() for path in paths]
    return pa.concat_tables(tables, promote_options="permissive") if tables else None

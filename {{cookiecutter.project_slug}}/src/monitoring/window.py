"""The latest part of the prediction log, with the labels that have arrived."""

from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from src.data.schema import DataSchema
from src.evaluation.metrics import Predictions
from src.monitoring.labels import LABELS
from src.monitoring.reference import typed
from src.monitoring.settings import MonitoringSettings
from src.utils.config import Settings
from src.utils.errors import DataError, reported


class Window(NamedTuple):
    """What one version was asked and answered, and of which rows the truth is known."""

    version: str  # as the service names it
    time: pd.Series
    features: pd.DataFrame
    predictions: Predictions  # whose y_true is None, or NaN, where it is not known
    labelled: np.ndarray
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
    latest = frame["time"].max()
    last = frame["model_version"][frame["time"].idxmax()]
    inside = frame["time"] > latest - timedelta(days=chosen.window.days)
    own = inside & (frame["model_version"] == last)
    log, frame = log.filter(pa.array(own)), frame[own].reset_index(drop=True)
    given = log["features"].combine_chunks()
    features = {
        name: typed(given.field(name).to_pandas(), schema.columns[name].type)
        for name in given.type.names
        if name in schema.features
    }
    truth = _truth(frame, folder / LABELS, chosen)
    is_class = settings.task == "classification"
    shares = [dict(pairs or ()) for pairs in log["probabilities"].to_pylist()]
    classes = tuple(shares[0])
    probabilities = pd.DataFrame(shares, columns=list(classes)).to_numpy(np.float64)
    said = Predictions(
        settings.task,
        truth.to_numpy(object if is_class else np.float64),
        frame["prediction"].to_numpy(object if is_class else np.float64),
        probabilities if classes else None,
        classes,
    )
    labelled, others = truth.notna().to_numpy(), int((inside & ~own).sum())
    return Window(last, frame["time"], pd.DataFrame(features), said, labelled, others)


def _truth(frame: pd.DataFrame, folder: Path, chosen: MonitoringSettings) -> pd.Series:
    """Return the last label of each row of the log, missing where there is none."""
    keys = ["key"] if chosen.labels.key else ["request_id", "row"]
    labels = _read(folder)
    if labels is None:
        return pd.Series(np.nan, frame.index, dtype=object)
    given = labels.to_pandas().sort_values("time", kind="stable")
    given = given.dropna(subset=keys).drop_duplicates(keys, keep="last")
    return frame[keys].merge(given, "left", on=keys)["label"].set_axis(frame.index)


def _read(folder: Path, days: float = np.inf) -> pa.Table | None:
    """Return the files of the last days in a folder as one table; None without any."""
    paths = sorted(folder.glob("????-??-??/[!.]*.parquet"))
    if paths and np.isfinite(days):
        last = date.fromisoformat(paths[-1].parent.name)
        first = f"{last - timedelta(days=days + 1):%Y-%m-%d}"
        paths = [path for path in paths if path.parent.name >= first]
    with reported(
        (OSError, pa.ArrowException), f"{folder}: cannot be read", "restore it"
    ):
        tables = [pa.parquet.ParquetFile(path).read() for path in paths]
    return pa.concat_tables(tables, promote_options="permissive") if tables else None

"""What is read of the prediction log: its latest part, with the labels that have
arrived, and every row that has one."""

from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from src.data.columns import Column
from src.data.schema import DataSchema
from src.evaluation.metrics import Predictions
from src.monitoring.prediction_log import LABELS
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
    given = log["probabilities"].combine_chunks()
    classes = given.keys.unique().to_pylist()  # of one version: the same in each row
    shares = given.items.to_numpy().reshape(len(frame), len(classes))
    truth = _truth(frame, folder, chosen)
    probabilities = dict(zip(classes, shares.T))
    said = predictions(settings, frame["prediction"], truth, probabilities)
    others = int((inside & ~own).sum())
    version, features = latest["model_version"], _features(log, schema)
    return Window(version, frame["time"], features, said, others)


def load_labelled(
    settings: Settings, chosen: MonitoringSettings, schema: DataSchema
) -> tuple[pd.DataFrame, Column]:
    """Return features and target of the rows of the log whose label has arrived, and
    when it did (UTC). Of rows with the same key, the last counts."""
    folder, keys = settings.paths.data / "predictions", _keys(chosen)
    if (log := _read(folder)) is None or (given := _labels(folder, chosen)) is None:
        return pd.DataFrame(columns=schema.used), pd.Series(dtype="datetime64[us]")
    asked = log.select([*keys, "time"]).to_pandas().sort_values("time", kind="stable")
    last = asked[keys].drop_duplicates(keep="last").reset_index(names="place")
    found = last.merge(given, on=keys)
    rows = _features(log.take(pa.array(found["place"])), schema)
    kind = schema.columns[schema.target].type
    return rows.assign(**{schema.target: typed(found["label"], kind)}), found["time"]


def _features(log: pa.Table, schema: DataSchema) -> pd.DataFrame:
    """Return the features of the rows of the log, as training has them."""
    given = log["features"].combine_chunks()
    features = {
        name: typed(given.field(name).to_pandas(), schema.columns[name].type)
        for name in given.type.names
        if name in schema.features
    }
    return pd.DataFrame(features)


def _truth(frame: pd.DataFrame, folder: Path, chosen: MonitoringSettings) -> Column:
    """Return the label of each row of the log, NaN where there is none."""
    if (given := _labels(folder, chosen)) is None:
        return pd.Series(index=frame.index, dtype="float64")
    keys = _keys(chosen)
    return frame[keys].merge(given, "left", on=keys)["label"]


def _labels(folder: Path, chosen: MonitoringSettings) -> pd.DataFrame | None:
    """Return the last label of each row that has one, and when it arrived."""
    if (labels := _read(folder / LABELS)) is None:
        return None
    keys = _keys(chosen)
    given: pd.DataFrame = labels.to_pandas().sort_values("time", kind="stable")
    given = given.dropna(subset=keys)
    return given.drop_duplicates(keys, keep="last")[[*keys, "label", "time"]]


def _keys(chosen: MonitoringSettings) -> list[str]:
    """Return the columns by which labels find their rows."""
    return ["key"] if chosen.log.key else ["request_id", "row"]


def _read(folder: Path, days: float | None = None) -> pa.Table | None:
    """Return the files of the last days in a folder as one table; None without any."""
    paths = sorted(folder.glob("????-??-??/[!.]*.parquet"))
    if paths and days:
        last = date.fromisoformat(paths[-1].parent.name)
        first = f"{last - timedelta(days=days + 1):%Y-%m-%d}"
        paths = [path for path in paths if path.parent.name >= first]
    failures = (OSError, pa.ArrowException)
    problem = f"{folder}: cannot be read as one table"
    advice = "delete what is broken, or older than a change of a column's type"
    with reported(failures, problem, advice):
        tables = [pa.parquet.ParquetFile(path).read() for path in paths]
    return pa.concat_tables(tables, promote_options="permissive") if tables else None

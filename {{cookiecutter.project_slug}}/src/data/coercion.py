"""From rows as files hold them to the types of the data schema."""

import pandas as pd

from src.data.columns import convert
from src.data.schema import DataSchema


def coerce(frame: pd.DataFrame, schema: DataSchema) -> pd.DataFrame:
    """Return the columns of ``frame`` that the schema knows, as its types.

    Integers, numbers and booleans become float64, categories ``str``, dates
    datetime64[us]; what cannot be read becomes missing. Training, evaluation and
    prediction all pass here, and so see the same values.

    Args:
        frame: Rows as a file or a request holds them.
        schema: The data contract.

    Returns:
        A new frame with the same index, the columns in the order of the schema;
        columns that ``frame`` lacks are left out.
    """
    present = [name for name in schema.columns if name in frame.columns]
    columns = {
        name: convert(
            frame[name], schema.columns[name].type, schema.columns[name].format
        )
        for name in present
    }
    return pd.DataFrame(columns, index=frame.index, columns=pd.Index(present))

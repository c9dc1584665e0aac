"""What a fitted pipeline does to a row, as an encoding that needs no scikit-learn."""

from typing import Any

import numpy as np
from sklearn.preprocessing import OneHotEncoder

from src.features.creation import FeatureCreator
from src.features.selection import FeatureSelector
from src.models.encoding import CategoryCodes, Encoding, InputColumn
from src.utils.errors import ModelError


def encoding_of(pipeline: Any) -> Encoding:
    """Return how rows are encoded for the steps of ``pipeline`` behind the creation.

    Raises:
        ModelError: If its feature steps are not those of this project.
    """
    steps = pipeline.named_steps
    creation, selection = steps["creation"], steps.get("selection")
    if type(creation) is not FeatureCreator or type(selection) is not FeatureSelector:
        raise ModelError("the steps before the transformation are others")
    if list(steps) != ["creation", "selection", "transformation", "model"]:
        raise ModelError(f"the steps of the pipeline are {', '.join(steps)}")
    codes: dict[str, CategoryCodes] = {}
    for _, transformer, columns in steps["transformation"].transformers_:
        if isinstance(transformer, OneHotEncoder):
            for number, name in enumerate(columns):
                codes[name] = _codes(transformer, number)
    return Encoding(
        tuple(
            InputColumn(name, column.type, column.format, codes.get(name))
            for name, column in creation.columns.items()
        )
    )


def _codes(encoder: OneHotEncoder, number: int) -> CategoryCodes:
    """Return the indicator that a fitted encoder sets for each text of a column."""
    values = encoder.categories_[number]
    mapping = getattr(encoder, "_default_to_infrequent_mappings", None)
    to_code = mapping[number] if mapping is not None else None
    if to_code is None:
        to_code = np.arange(len(values))
        unknown = -1
    else:
        unknown = int(to_code.max())
    texts = {v: int(c) for v, c in zip(values, to_code, strict=True)}
    missing = [c for v, c in texts.items() if not isinstance(v, str)]
    return CategoryCodes(
        {v: c for v, c in texts.items() if isinstance(v, str)},
        missing[0] if missing else unknown,
        unknown,
    )

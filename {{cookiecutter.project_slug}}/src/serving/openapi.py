"""The description of the service for programs: OpenAPI 3.1, made from the schema."""

from typing import Any

from src.serving.predictor import Predictor


def document(
    title: str, description: str, predictor: Predictor | None
) -> dict[str, Any]:
    """Return the OpenAPI document of the contract.

    Args:
        title: Of the project.
        description: Of the project.
        predictor: The champion, whose columns are described; none if None.
    """
    raise NotImplementedError

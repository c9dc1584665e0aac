"""What the service keeps of its answers: nothing."""

from contextlib import nullcontext
from typing import Any


class PredictionLog:
    """Keeps no prediction."""

    recorded: type[nullcontext[Any]] = nullcontext  # lends a model as it is

    def __init__(self, *_: Any) -> None: ...
    def add(self, *_: Any) -> None: ...
    def close(self) -> None: ...


def add_labels(*_: Any) -> dict[str, Any]:
    return {}

"""Processes that end in the middle of what they do, without a process."""

from collections.abc import Callable, Iterable

import pytest


class Killed(BaseException):
    """Stands in for the end of a process."""


def interrupted(
    command: Callable[[], object], steps: Iterable[tuple[object, str]], number: int
) -> bool:
    """Run a command that ends before or after one of its steps, by turns.

    Args:
        command: What to run.
        steps: The functions that count as steps, as pairs of owner and name.
        number: 0 ends it before its first step, 1 after it, 2 before the second, ...

    Returns:
        Whether it was ended; False if it has fewer steps.
    """
    left = [number]

    def wrap(original: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **options: object) -> object:
            result = None
            for is_before in (True, False):
                if left[0] == 0:
                    raise Killed
                left[0] -= 1
                if is_before:
                    result = original(*args, **options)
            return result

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in steps:
            patch.setattr(owner, name, wrap(getattr(owner, name)))
        try:
            command()
        except Killed:
            return True
    return False

"""The shipped constraints hold every requirement, on every Python that is offered.

The requirements of an environment apart have bounds instead.
"""

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.combinations.kinds import APART
from tests.combinations.mentions import requirement_lines
from tests.combinations.model import Model, Problem

CONSTRAINTS = "constraints.txt"


def check_pins(model: Model) -> list[Problem]:
    """Return the requirements that their pin does not satisfy."""
    pins = [Requirement(line) for line in _lines(model, CONSTRAINTS)]
    problems = []
    for path in model.pieces:
        if model.landings(path) & {*APART}:
            for line in sorted(set(_lines(model, path))):
                if not any(s.operator == "<" for s in Requirement(line).specifier):
                    message = f"`{line}` is not below the version that may break it"
                    problems.append(Problem(path, message))
        elif path.startswith("requirements"):
            for line in sorted(set(_lines(model, path))):
                for python in model.questions.values.get("python_version", ("3.11",)):
                    wanted = Requirement(line)
                    if not _is_held(wanted, pins, python):
                        message = f"no pin satisfies `{wanted}` on Python {python}"
                        problems.append(Problem(path, message))
    return problems


def _lines(model: Model, path: str) -> list[str]:
    texts = [text for piece in model.pieces[path] for text in piece.texts.values()]
    return [line for text in texts for line in requirement_lines(text)]


def _is_held(wanted: Requirement, pins: list[Requirement], python: str) -> bool:
    """Tell whether exactly one pin applies, and satisfies the requirement."""
    environment = {name: str(value) for name, value in default_environment().items()}
    environment |= {"python_version": python, "python_full_version": f"{python}.0"}
    applying = [
        pin
        for pin in pins
        if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
        and (pin.marker is None or pin.marker.evaluate(environment))
    ]
    if len(applying) != 1:
        return False
    (pin,) = applying[0].specifier
    return wanted.specifier.contains(pin.version, prereleases=True)

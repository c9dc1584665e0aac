"""A window without any change alarms as seldom as configured; one with, it alarms."""

import numpy as np
import pytest

from tests.proofs.rates.rates import World, flipped, make_world, missing
from tests.proofs.rates.rates import more_often, older, rate, slow_drift, windows

RATE = 0.05  # as config/monitoring_config.yaml has it


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def test_at_most_the_configured_share_of_unchanged_windows_alarms(world: World) -> None:
    assert rate(windows(world)) <= RATE
    assert rate(windows(world, labelled=True)) <= RATE


def test_a_shift_of_five_years_is_found(world: World) -> None:
    assert rate(windows(world, older(5)), of="age") >= 0.99


def test_a_category_that_doubles_is_found(world: World) -> None:
    assert rate(windows(world, more_often(2)), of="workclass") >= 0.7


def test_a_column_that_goes_missing_is_found(world: World) -> None:
    assert rate(windows(world, missing(0.1)), of="missing") >= 0.99


def test_labels_that_flip_for_a_group_are_found(world: World) -> None:
    found = windows(world, flipped(0.5), labelled=True)
    assert rate(found, of="performance") >= 0.9


def test_a_slow_drift_is_found_within_ten_windows(world: World) -> None:
    first = np.array(slow_drift(world, sequences=20))
    assert first.max() <= 10
    assert np.median(first) >= 3  # not at once: chance alone is no alarm

"""A pairwise covering array: few projects in which every two answers meet."""

import itertools

from allpairspy import AllPairs

from tests.combinations.answers import REFUSED, Assignment, Questions

Pair = frozenset[tuple[str, str]]


def covering_array(questions: Questions) -> list[Assignment]:
    """Return full assignments that hold every possible pair of values.

    Raises:
        AssertionError: If a pair is missing: the array would prove less than it says.
    """
    names = list(questions.values)

    def possible(values: list[str]) -> bool:
        assignment = dict(zip(names, values, strict=False))
        return not any(
            set(asked) <= set(assignment) and refuses(assignment, questions.defaults)
            for asked, refuses in REFUSED
        )

    rows = AllPairs(list(questions.values.values()), filter_func=possible)
    array = [dict(zip(names, row, strict=True)) for row in rows]
    # A row that the search began and could not end may have held the only one of a pair.
    for pair in possible_pairs(questions) - {p for row in array for p in pairs(row)}:
        completed = (row | dict(pair) for row in array)
        array.append(next(row for row in completed if possible([*row.values()])))
    missing = possible_pairs(questions) - {p for row in array for p in pairs(row)}
    assert not missing, f"pairs that no row holds: {missing}"
    return array


def possible_pairs(questions: Questions) -> set[Pair]:
    """Return every pair of values of two questions that is not refused."""
    return {
        frozenset(assignment.items())
        for two in itertools.combinations(questions.values, 2)
        for assignment in questions.assignments(two)
    }


def pairs(assignment: Assignment) -> set[Pair]:
    """Return the pairs of values that an assignment holds."""
    return set(map(frozenset, itertools.combinations(assignment.items(), 2)))

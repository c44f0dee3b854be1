"""Which row of a table belongs to which index value: the user may have moved rows, and files round numbers."""

from collections import defaultdict
from itertools import pairwise
from math import nan

import vtk

from .table_columns import storable

STORED_DIGITS = 6
"""Digits of a number that MRML writes into the file of a table."""


def matchedRows(column: vtk.vtkAbstractArray, values: list[str]) -> list[int | None]:
    """Return the row for each index value; None for one that no row has for sure. No two values have the same row.

    Args:
        column: the index values of the rows.
        values: the index values to look for, each once.
    """
    cells = [column.GetVariantValue(row) for row in range(column.GetNumberOfTuples())]
    if column.IsNumeric():
        found = [cell.ToDouble() for cell in cells]
        exact, rounded = [numberOf(value) for value in values], [_rounded(value) for value in values]
    else:
        found = [cell.ToString() for cell in cells]
        exact, rounded = values, [storable(value) for value in values]
    if len(found) == len(values) and all(
        one in both for one, *both in zip(found, exact, rounded, strict=True)
    ):  # nobody has moved a row; where a file leaves several rows with one number, only their order tells them apart
        return list(range(len(values)))
    rows: list[int | None] = [None] * len(values)
    for wanted, inOrder in ((exact, True), (rounded, _rises(found) and _rises(exact))):
        _match(rows, found, wanted, inOrder)
    return rows


def _match(rows: list[int | None], found: list, wanted: list, inOrder: bool) -> None:
    """Give a row to each value that has none yet, where it can be told.

    Args:
        rows: the row of each value; it is changed.
        found: what the rows hold.
        wanted: what the row of each value holds.
        inOrder: whether several rows that hold the same belong to as many values in their order; else to none.
    """
    taken = set(rows)
    free, open_ = defaultdict(list), defaultdict(list)
    for row, one in enumerate(found):
        if row not in taken:
            free[one].append(row)
    for n, one in enumerate(wanted):
        if rows[n] is None:
            open_[one].append(n)
    for one, places in open_.items():
        if len(places) == 1 and free[one] and (inOrder or len(free[one]) == 1):
            rows[places[0]] = free[one][0]
        elif len(places) == len(free[one]) and inOrder:
            for n, row in zip(places, free[one], strict=True):
                rows[n] = row


def _rises(numbers: list) -> bool:
    """Return whether numbers, or texts, are in ascending order."""
    return all(one <= other for one, other in pairwise(numbers))


def _rounded(value: str) -> float:
    """Return an index value as a number with the digits that it has in a file."""
    return float(f"{numberOf(value):.{STORED_DIGITS}g}")


def numberOf(text: str) -> float:
    """Return a text as a number; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return nan

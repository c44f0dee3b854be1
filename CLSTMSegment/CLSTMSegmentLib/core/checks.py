"""Checks of the numbers in a model description, which may come from a file that anybody has written."""

from sys import float_info


def is_number(value: object, whole: bool = False) -> bool:
    """Return whether a value is a number that a float can represent; `whole` allows integers only.

    True and False are not numbers.
    """
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) <= float_info.max


def are_numbers(values: object, count: int, whole: bool = False) -> bool:
    """Return whether a value is a list or tuple of `count` numbers; see `is_number`."""
    return isinstance(values, (tuple, list)) and len(values) == count and all(is_number(v, whole) for v in values)

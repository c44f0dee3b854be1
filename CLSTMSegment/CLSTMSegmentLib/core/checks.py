"""What a model's description gives is checked with these: it comes from a file that anybody may have written."""

from sys import float_info


def is_number(value: object, whole: bool = False) -> bool:
    """Whether a value is a number that a float can hold, or a whole one of these; true and false are none."""
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) <= float_info.max


def are_numbers(values: object, count: int, whole: bool = False) -> bool:
    """Whether a value is a list of so many numbers."""
    return isinstance(values, (tuple, list)) and len(values) == count and all(is_number(v, whole) for v in values)

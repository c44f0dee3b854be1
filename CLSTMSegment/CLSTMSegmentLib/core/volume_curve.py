"""Segment volumes over time."""


def with_unit(name: str, unit: str) -> str:
    """Title of a column or axis: "time [ms]"; the name alone where there is no unit."""
    return f"{name} [{unit}]" if unit else name

"""Natural order of names: numbers in them count by their value, so that 9 comes before 10."""

import re


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Return the key by which names are sorted in natural order."""
    parts = re.split(r"(\d+)", name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]

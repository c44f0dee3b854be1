"""Text in which nothing is obeyed by a terminal, whatever the names are that it is made from."""

import json
import unicodedata


def plain_text(text: str, keep: str = "") -> str:
    """Return a text in which all characters that are no visible signs or spaces are written as their codes.

    Names of files, sequences and segments can hold anything: codes that colour, erase or rename, line breaks, signs
    that turn the direction of writing, and bytes that are no characters.

    Args:
        text: any text.
        keep: characters that stay as they are.
    """
    return "".join(c if _is_plain(c) or c in keep else c.encode("unicode_escape").decode() for c in text)


def plain_json(content: object) -> str:
    """Return content as JSON text for people, in which such characters are written as the codes that JSON has."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return "".join(c if _is_plain(c) or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _is_plain(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"

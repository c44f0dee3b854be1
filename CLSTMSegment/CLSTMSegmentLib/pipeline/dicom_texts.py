"""The texts in a DICOM object: what DICOM allows in those of a model, and the characters in which all are written."""

import unicodedata

from pydicom import Dataset
from pydicom.charset import python_encoding
from pydicom.multival import MultiValue

from ..core.errors import InputError
from ..core.structure import Segment
from ..model.description import Model

TISSUE = ["SCT", "85756007", "Tissue"]
"""Slicer's code for a segment whose model names no code."""

LONGEST_TEXT = 64
"""Number of characters that the standard allows for a name, a version, a description or the meaning of a code."""

LONGEST_SCHEME = 16
"""Number of characters that the standard allows for the name of a coding scheme."""


def code_of(segment: Segment, name: str) -> list[str]:
    """Return a code of a segment as [scheme, code, meaning].

    Args:
        segment: the segment.
        name: "category" or "type".
    """
    return segment.terminology.get(name, TISSUE)


def check_texts(model: Model) -> None:
    """Raise an InputError if a text of a model cannot stand in a DICOM object."""
    of_model = f"model {model.name}: its"
    _check(f"{of_model} name", model.name)
    _check(f"{of_model} version", model.version)
    _check(f"{of_model} name with its version", f"{model.name} {model.version}")
    if model.title:  # it is cut where it is longer
        _check(f"{of_model} title", model.title[:LONGEST_TEXT])
    for segment in model.segments:
        _check(f"segment {segment.name!r}: its name", segment.name)
        for name in ("category", "type"):
            scheme, code, meaning = code_of(segment, name)
            _check(f"segment {segment.name!r}: the scheme of its {name}", scheme, LONGEST_SCHEME)
            _check(f"segment {segment.name!r}: the code of its {name}", code, len(code))  # of any length
            _check(f"segment {segment.name!r}: the meaning of its {name}", meaning)


def _check(what: str, text: str, longest: int = LONGEST_TEXT) -> None:
    """Raise an InputError unless DICOM allows a text."""
    change = "change it in the model.json of the model"
    if not text.strip():
        raise InputError(f"{what} is empty, but DICOM needs one: {change}")
    if len(text) > longest:
        raise InputError(f"{what} has {len(text)} characters, but DICOM allows {longest}: {change}")
    if "\\" in text or any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise InputError(
            f"{what} has a backslash or a character that is no visible sign, which DICOM does not allow ({text!r}): "
            f"{change}"
        )


def has_other_scripts(model: Model) -> bool:
    """Return whether a text of a model has characters that not every character set of DICOM has."""
    codes = [text for segment in model.segments for name in ("category", "type") for text in code_of(segment, name)]
    texts = [model.name, model.version, model.title, *codes]
    return not all(text.isascii() for text in [*texts, *(segment.name for segment in model.segments)])


def write_in_utf_8(image: Dataset, always: bool) -> None:
    """Let the texts of an image be written in UTF-8, where another character set would lose some of them.

    Args:
        image: its texts stay as they are where its own character sets are not known.
        always: also where its character set is a single one.
    """
    character_sets = image.get("SpecificCharacterSet") or ""
    several = isinstance(character_sets, MultiValue)  # as in Japan and Korea: highdicom knows some of them only
    names = set(character_sets) if several else {character_sets}
    if (several or always) and python_encoding.keys() >= names:
        image.decode()
        image.SpecificCharacterSet = "ISO_IR 192"  # UTF-8

"""The rules for source files that no linter checks: short files, each name once, and one word for one thing."""

import ast
import re

from conftest import REPOSITORY

PACKAGE = REPOSITORY / "CLSTMSegment" / "CLSTMSegmentLib"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
LONGEST = 300
REPLACED_WORDS = (
    r"lessons?|familiarity|unfamiliar|spoiled|going_on|goingOn|time rule|primed?|priming|deserves? a look|wish"
)
"""Words for which the project has others; the former names of options and of keys in model.json are still read."""


def test_every_file_name_occurs_once():
    names = [path.name for path in FILES if path.name != "__init__.py"]

    assert sorted(names) == sorted(set(names))


def test_every_file_is_short():
    long = [path.name for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST]

    assert long == []


def test_every_file_says_its_subject_first():
    for path in FILES:
        assert re.match(r'"""\S.*[.:]', path.read_text(encoding="utf-8")), path


def test_replaced_words_are_gone():
    former_names = re.compile(r"[\"`]-*prime[\"`]")
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(rf"\b({REPLACED_WORDS})\b", former_names.sub("", line), re.IGNORECASE)
    ]

    assert found == []


def test_no_array_is_a_view_of_an_image_that_nothing_else_holds():
    """SimpleITK frees the voxels of such an image at once, and the view then reads what comes there next."""
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            isView = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "GetArrayViewFromImage"
            if isView and not isinstance(node.args[0], (ast.Name, ast.Attribute, ast.Subscript)):
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")

    assert found == []

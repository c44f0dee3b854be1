"""Every text that the panel shows can be translated: Slicer's extraction finds only literal strings within `_()`."""

import ast

from conftest import REPOSITORY

MODULE = REPOSITORY / "CLSTMSegment"
FILES = [MODULE / "CLSTMSegment.py", *sorted((MODULE / "CLSTMSegmentLib" / "panel").glob("*.py"))]
NOT_TO_TRANSLATE = {
    "My structure",  # becomes the name of a folder
    "CSV (*.csv)",
    "ZIP (*.zip)",
    " (model.json *.pth)",
    "dataSelected(vtkStringArray*, vtkCollection*)",
    "CLSTMSegment contributors",
    "Phantom heart",  # names of sample data and of what is in it, by which scripts find them
    "Left ventricular cavity",
}


def is_translation(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"


def strings(tree):
    """Literal strings that hold several words, but for docstrings and those within `_()`."""
    left_out = set()
    for node in ast.walk(tree):
        if is_translation(node):
            left_out |= {id(part) for part in ast.walk(node)}
        if isinstance(node, ast.Expr):
            left_out.add(id(node.value))
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out
        if is_text and " " in node.value.strip():
            yield node.value


def test_text_of_several_words_is_wrapped_for_translation():
    found = {text for file in FILES for text in strings(ast.parse(file.read_text(encoding="utf-8")))}
    assert found == NOT_TO_TRANSLATE


def test_what_is_translated_is_a_literal_string():
    calls = [
        node for file in FILES for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if is_translation(node)
    ]
    assert len(calls) > 50
    assert all(isinstance(call.args[0], ast.Constant) for call in calls)

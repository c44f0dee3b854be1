"""The tables of file formats and of faults: each of their rows names a test, which exists."""

import re

import pytest
from conftest import REPOSITORY

TESTS = REPOSITORY / "Testing"
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def rows_of(page, begin=""):
    """Return the rows of the tables that name tests, in a page from some words on."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    return [line for line in text[text.index(begin) :].splitlines() if re.match(r"\| \S", line)]


@pytest.mark.parametrize(
    ("page", "begin", "folders"),
    [("docs/formats.md", "", [""]), ("Testing/README.md", "## What can go wrong", ["faults", ""])],
)
def test_every_row_names_a_test_that_exists(page, begin, folders):
    rows = [row for row in rows_of(page, begin) if not row.endswith("| test |")]

    missing = []
    for file, test in NAMED.findall("\n".join(rows)):
        paths = [TESTS / folder / file for folder in folders if (TESTS / folder / file).exists()]
        if not any(not test or f"def {test}(" in path.read_text(encoding="utf-8") for path in paths):
            missing.append(f"{file}::{test}")

    assert len(rows) > 50
    assert missing == []
    assert [row for row in rows if not NAMED.search(row) and not row.endswith("| the same |")] == []

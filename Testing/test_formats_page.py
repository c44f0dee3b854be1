"""The page about file formats: each of its rows has a test, which exists."""

import re

from conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "formats.md"
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def test_every_row_names_a_test_that_exists():
    text = PAGE.read_text(encoding="utf-8")

    for file, test in NAMED.findall(text):
        content = (REPOSITORY / "Testing" / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in content, f"{file}::{test}"
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    assert len(rows) > 50
    assert [row for row in rows if not NAMED.search(row) and not row.endswith("| the same |")] == []

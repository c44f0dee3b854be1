"""The code of docs/from-lstm-to-4d-unet.md runs, and draws the figures of that page."""

import re

import pytest
import tutorial


@pytest.mark.slow
def test_every_block_of_the_page_runs_and_draws_its_figure(tmp_path):
    page = tutorial.PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"\(figures/([\w-]+\.png)\)", page)
    assert len(shown) == 4

    tutorial.run(tmp_path)

    for name in shown:
        assert (tmp_path / name).stat().st_size > 5000
        assert (tutorial.PAGE.parent / "figures" / name).is_file()

"""Run the code of docs/from-lstm-to-4d-unet.md, which draws its figures: `python tutorial.py FOLDER`."""

import os
import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "from-lstm-to-4d-unet.md"


def run(folder: Path) -> None:
    """Run block after block, as a reader would in one Python console opened in the folder."""
    import matplotlib

    matplotlib.use("Agg")
    names: dict[str, object] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
            exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102  our own page
    finally:
        os.chdir(before)


if __name__ == "__main__":
    run(Path(sys.argv[1]))

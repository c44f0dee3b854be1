"""Run the code of docs/from-lstm-to-4d-unet.md, which draws the figures of that page: `python tutorial.py FOLDER`."""

import os
import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "from-lstm-to-4d-unet.md"


def run(folder: Path) -> None:
    """Run all blocks of the page in one namespace, with `folder` as the current one.

    Args:
        folder: where the figures are written.
    """
    import matplotlib

    matplotlib.use("Agg")
    names: dict[str, object] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
            exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102  the code is our own
    finally:
        os.chdir(before)


if __name__ == "__main__":
    run(Path(sys.argv[1]))

"""Fill in the public address of the repository, in CMakeLists.txt and in the entry for the Extensions Index.

python Resources/ExtensionsIndex/set_address.py https://github.com/OWNER/SlicerCLSTMSegment
"""

import json
import re
import sys
from pathlib import Path

ADDRESS = re.compile(r"https://github\.com/([\w.-]+/Slicer[\w-]*)")
ICON = "Resources/CLSTMSegment.png"
SCREENSHOTS = ("slicer-running", "panel-done", "slice-view", "demo")
"""Pictures in Resources/Screenshots."""


def set_address(repository: Path, address: str) -> None:
    """Write the address into the files of a checkout; an address that is there already is replaced.

    Args:
        repository: the checkout.
        address: https://github.com/OWNER/NAME; the Index wants a name that begins with Slicer.

    Raises:
        ValueError: the address has another form.
    """
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise ValueError(f"{address} is not of the form https://github.com/OWNER/SlicerNAME, which the Index wants")
    raw = f"https://raw.githubusercontent.com/{found[1]}/main"
    values = {
        "HOMEPAGE": address,
        "ICONURL": f"{raw}/{ICON}",
        "SCREENSHOTURLS": " ".join(f"{raw}/Resources/Screenshots/{name}.png" for name in SCREENSHOTS),
    }
    build_file = repository / "CMakeLists.txt"
    text = build_file.read_text(encoding="utf-8")
    for name, value in values.items():
        text = re.sub(rf'set\(EXTENSION_{name} "[^"]*"\)', f'set(EXTENSION_{name} "{value}")', text)
    build_file.write_text(text, encoding="utf-8", newline="\n")
    entry_file = repository / "Resources" / "ExtensionsIndex" / "CLSTMSegment.json"
    entry = json.loads(entry_file.read_text(encoding="utf-8")) | {"scm_url": address}
    entry_file.write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    try:
        set_address(Path(__file__).resolve().parents[2], sys.argv[1])
    except ValueError as error:
        sys.exit(str(error))

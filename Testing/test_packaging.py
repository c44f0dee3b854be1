"""The build files: Slicer packages only what they list."""

from conftest import REPOSITORY

MODULE = REPOSITORY / "CLSTMSegment"


def test_every_python_and_resource_file_is_listed_for_packaging():
    listed = {line.strip() for line in (MODULE / "CMakeLists.txt").read_text(encoding="utf-8").splitlines()}
    listed |= {name.replace("${MODULE_NAME}", "CLSTMSegment") for name in listed}
    files = [path for path in MODULE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = [path for path in files if not any(part.endswith(".egg-info") for part in path.parts)]
    names = {path.relative_to(MODULE).as_posix() for path in files} - {"CMakeLists.txt"}
    assert names
    assert names - listed == set()
    assert {name for name in listed if "/" in name and not name.startswith("#")} - names == set()

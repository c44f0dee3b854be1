"""The build files: Slicer packages only the files that they list, and the package works without the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

MODULE = REPOSITORY / "CLSTMSegment"


def files_of_the_module():
    """Return the paths of all files in the module folder that users need, relative to it."""
    files = [path for path in MODULE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = [path for path in files if not any(part.endswith(".egg-info") for part in path.parts)]
    return sorted({path.relative_to(MODULE).as_posix() for path in files} - {"CMakeLists.txt"})


def test_every_python_and_resource_file_is_listed_for_packaging():
    listed = {line.strip() for line in (MODULE / "CMakeLists.txt").read_text(encoding="utf-8").splitlines()}
    names = set(files_of_the_module())

    assert names
    assert names - listed == set()
    assert {name for name in listed if "/" in name and not name.startswith("#")} - names == set()


def cmake(*arguments, folder):
    executable = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")
    return subprocess.run([executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)


def packed(source, build):
    """Configure, build and pack the extension by its own build files; return the exit status and the output."""
    # nothing is compiled, so that any program can stand for the compiler
    options = [f"-D{name}" for name in ("CMAKE_C_COMPILER_FORCED=ON", "CMAKE_CXX_COMPILER_FORCED=ON")]
    options += [f"-DCMAKE_{language}_COMPILER={shutil.which('true')}" for language in ("C", "CXX")]
    options += [f"-DSlicer_DIR={REPOSITORY / 'Testing' / 'host' / 'cmake'}", "-DBUILD_TESTING=ON"]
    done = cmake("-S", source, "-B", build, *options, folder=build)
    if done.returncode == 0:
        done = cmake("--build", build, "--target", "package", folder=build)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The extension packed, and unpacked into an empty folder."""
    if shutil.which("make") is None:
        pytest.skip("there is no make here")
    build = tmp_path_factory.mktemp("build")
    status, output = packed(REPOSITORY, build)
    assert status == 0, output
    folder = tmp_path_factory.mktemp("installed")
    shutil.unpack_archive(build / "CLSTMSegment.tar.gz", folder)
    return folder / "lib" / "Slicer-5.10" / "qt-scripted-modules"


@pytest.mark.slow
def test_package_cannot_be_made_without_any_of_the_listed_files(tmp_path):
    source, build = tmp_path / "source", tmp_path / "build"
    shutil.copytree(MODULE, source / "CLSTMSegment", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("CMakeLists.txt", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    build.mkdir()
    status, output = packed(source, build)
    assert status == 0, output

    for name in files_of_the_module():
        away = (source / "CLSTMSegment" / name).rename(tmp_path / "away")
        shutil.rmtree(build)
        build.mkdir()
        status, output = packed(source, build)
        assert status != 0, name
        assert Path(name).name in output
        away.rename(source / "CLSTMSegment" / name)


def test_package_has_all_files_of_the_module_folder_and_no_others(installed):
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}

    assert names == set(files_of_the_module())


def test_module_segments_the_demo_from_where_it_was_installed(installed, tmp_path):
    """The new process finds no other copy of the package."""
    program = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from host import application; application.start()\n"
        "import slicer, CLSTMSegment, CLSTMSegmentLib\n"
        "assert CLSTMSegmentLib.__file__.startswith(sys.argv[1]), CLSTMSegmentLib.__file__\n"
        "import importlib, pkgutil\n"
        "for module in pkgutil.walk_packages(CLSTMSegmentLib.__path__, 'CLSTMSegmentLib.'):\n"
        "    if not module.name.endswith(('__main__', '.list_devices')): importlib.import_module(module.name)\n"
        "CLSTMSegment.CLSTMSegmentTest().runTest()\n"
        "widget = application.PanelParent().makePanel(); widget.enter()\n"
        "assert widget.ui.modelComboBox.count >= 2\n"
        "widget.cleanup()\n"
    )
    arguments = [sys.executable, "-c", program, str(installed), str(REPOSITORY / "Testing")]

    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr

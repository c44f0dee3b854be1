"""What the checker of the Slicer Extensions Index demands of the files, once the address is filled in."""

import json
import re
import runpy
import shutil
from urllib.parse import urlsplit

import pytest
from conftest import REPOSITORY

ENTRY = "Resources/ExtensionsIndex/CLSTMSegment.json"
REQUIRED = {"$schema", "category", "scm_url"}
OPTIONAL = {
    "build_dependencies",
    "build_subdirectory",
    "dicom_support_rule",
    "enabled",
    "scm_revision",
    "scm_type",
    "tier",
}
"""Keys of an entry, by version 1.0.2 of its schema."""

CATEGORIES = {"Cardiac", "Segmentation", "Sequences"}
"""Those of the Index that would fit."""

ADDRESS = "https://github.com/somebody/SlicerCLSTMSegment"

set_address = runpy.run_path(str(REPOSITORY / "Resources/ExtensionsIndex/set_address.py"))["set_address"]


@pytest.fixture
def filled(tmp_path):
    """The build file and the entry, in which the address is filled in; as a folder like the repository."""
    (tmp_path / ENTRY).parent.mkdir(parents=True)
    for name in ("CMakeLists.txt", ENTRY):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    set_address(tmp_path, ADDRESS)
    return tmp_path


def values_of(folder):
    """Return what the build file says about the extension, as the checker reads it."""
    text = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'set\(EXTENSION_(\w+) "?([^"]*?)"?\)$', text, re.MULTILINE))


def entry_of(folder):
    return json.loads((folder / ENTRY).read_text(encoding="utf-8"))


def test_entry_has_the_keys_of_its_schema_and_agrees_with_the_build_file(filled):
    entry, values = entry_of(filled), values_of(filled)

    assert REQUIRED <= set(entry) <= REQUIRED | OPTIONAL
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["category"] == values["CATEGORY"]
    assert entry["category"] in CATEGORIES
    assert entry["build_dependencies"] == values["DEPENDS"].split()
    assert b"\r" not in (filled / ENTRY).read_bytes()


def test_names_are_those_that_the_index_wants(filled):
    text = (filled / "CMakeLists.txt").read_text(encoding="utf-8")
    (project,) = re.findall(r"project\s*\(\s*([^\s)]+)", text)

    assert f"{project}.json" == (filled / ENTRY).name
    assert not project.lower().startswith("slicer")
    assert urlsplit(entry_of(filled)["scm_url"]).path.split("/")[-1].startswith("Slicer")


def test_every_address_is_literal_and_leads_to_a_picture_of_the_repository(filled):
    values = values_of(filled)
    pictures = [values["ICONURL"], *values["SCREENSHOTURLS"].split()]

    assert values["HOMEPAGE"] == entry_of(filled)["scm_url"] == ADDRESS
    assert len(pictures) >= 2
    for picture in pictures:
        root, _, name = picture.partition("/main/")
        assert root == ADDRESS.replace("github.com", "raw.githubusercontent.com")
        assert (REPOSITORY / name).read_bytes().startswith(b"\x89PNG"), name


def test_address_can_be_filled_in_again_and_another_kind_is_refused(filled):
    set_address(filled, ADDRESS.replace("somebody", "another"))

    assert "somebody" not in (filled / "CMakeLists.txt").read_text(encoding="utf-8") + str(entry_of(filled))
    for address in ("https://github.com/somebody/CLSTMSegment", "github.com/somebody/SlicerCLSTMSegment", ""):
        with pytest.raises(ValueError, match="which the Index wants"):
            set_address(filled, address)


def test_description_is_short_and_for_people_who_know_no_networks(filled):
    description = values_of(filled)["DESCRIPTION"]

    assert 2 <= description.count(". ") + 1 <= 5
    assert len(description) < 400
    assert not re.search(r"U-Net|LSTM|recurrent|neural|tensor", description)


def test_homepage_has_what_a_user_of_the_index_looks_for():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")

    assert readme.startswith("# CLSTMSegment\n")
    for heading in ("## Module", "## Tutorial"):
        assert heading in readme
    assert "*Phantom heart*" in readme  # the registered sample data of the tutorial
    assert "![" in readme
    assert "Apache 2.0" in readme
    assert (REPOSITORY / "LICENSE").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize(("folder", "megabytes"), [("Resources/Screenshots", 0.6), ("CLSTMSegment/Resources", 15)])
def test_large_files_stay_few(folder, megabytes):
    """The repository with its history must stay below 100 MB."""
    files = [path for path in (REPOSITORY / folder).rglob("*") if path.is_file()]

    assert sum(path.stat().st_size for path in files) < megabytes * 2**20

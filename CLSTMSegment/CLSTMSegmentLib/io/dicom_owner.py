"""Of which patient and study DICOM images are, by what they say of it, and whether nothing of it is said."""

from collections.abc import Sequence

from .dicom_image import DicomImage

OWNER = (
    *("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("ClinicalTrialSubjectID", "StudyInstanceUID"),
)
"""What all images of one sequence have in common: patient and study. Files without a patient's name go by the study."""

IN_PLACE_OF_STUDY = ("FrameOfReferenceUID", "AccessionNumber", "StudyDate", "StudyTime", "StationName")
"""What all images of one sequence have in common where they do not name their study."""

IDENTITIES = ("PatientID", "PatientName", "ClinicalTrialSubjectID", "StudyInstanceUID", "FrameOfReferenceUID")
"""Images that have one of these in common are of one patient; equal dates, for instance, do not tell that."""


def owner_of(image: DicomImage) -> tuple[str, ...]:
    """Return what tells the patient and the study of an image."""
    names = OWNER if image.text("StudyInstanceUID") else (*OWNER, *IN_PLACE_OF_STUDY)
    return tuple(map(image.text, names))


def doubts_of_owner(images: Sequence[DicomImage]) -> tuple[str, ...]:
    """Return a warning if nothing tells that images of one owner are of one patient: no identity, no common series.

    A study alone does not tell it where the frames of reference differ: some anonymisers give one to all patients.
    """
    common = {name for name in (*IDENTITIES, "SeriesInstanceUID") if _is_common(name, images)}
    if common == {"StudyInstanceUID"} and any(image.text("FrameOfReferenceUID") for image in images):
        return (
            "the images name no patient, and have different frames of reference (FrameOfReferenceUID), as those of "
            "several patients do: check that the folder holds the images of one patient only",
        )
    if common:
        return ()
    return (
        f"nothing tells that the images are of one patient: they have no {', no '.join(IDENTITIES)} and no common "
        "SeriesInstanceUID: check that the folder holds the images of one patient only",
    )


def _is_common(name: str, images: Sequence[DicomImage]) -> bool:
    """Return whether all images have one and the same value, which is not empty."""
    values = {image.text(name) for image in images}
    return len(values) == 1 and all(values)

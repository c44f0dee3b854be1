"""Files to frames and back: NRRD, NIfTI and DICOM."""

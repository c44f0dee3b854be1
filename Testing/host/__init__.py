"""Small stand-ins for the parts of Slicer that slicer-core does not have, true to Slicer's signatures."""

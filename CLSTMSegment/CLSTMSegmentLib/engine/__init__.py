"""The engine: from the frames of a sequence to their labels, one frame at a time."""

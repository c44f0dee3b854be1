"""MRML in, MRML out: sequences, segmentations and tables; no Qt."""

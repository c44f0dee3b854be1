"""Reads sequences from a MRML scene, and adds segmentations, tables and plots to it; this room does not use Qt."""

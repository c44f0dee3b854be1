"""Reads sequences from a MRML scene, and adds segmentations, tables and plots to it; nothing here uses Qt."""

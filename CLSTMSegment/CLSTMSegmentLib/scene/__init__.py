"""Reads sequences from a MRML scene, and writes segmentations, tables and plots into it; knows no Qt."""

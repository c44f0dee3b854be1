"""Segmentation of 4D (3D + time) medical images with a recurrent U-Net that reads one frame at a time."""

__version__ = "0.1.0"

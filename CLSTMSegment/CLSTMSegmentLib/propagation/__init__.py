"""Propagation of annotated frames through a sequence, without a model and without training."""

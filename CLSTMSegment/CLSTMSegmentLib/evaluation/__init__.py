"""Evaluation of a model on labelled hearts."""

"""Phantoms, data sets with sparse labels, training and evaluation."""

"""Training: networks learn from phantoms and from sparsely labelled sequences."""

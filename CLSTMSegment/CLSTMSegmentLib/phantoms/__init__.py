"""Moving 4D phantoms, with the true labels of every frame."""

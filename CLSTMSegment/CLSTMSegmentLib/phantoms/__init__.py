"""Moving 4D phantoms with true labels."""

"""Teaching: a new model from a few annotated frames."""

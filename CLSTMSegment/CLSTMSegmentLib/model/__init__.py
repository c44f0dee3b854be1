"""A model: its description, its bundle on disk, and the import of published checkpoints."""

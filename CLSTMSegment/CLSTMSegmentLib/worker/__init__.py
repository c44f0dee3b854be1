"""Runs and teaching jobs in worker processes, and the folders through which they talk to the panel."""

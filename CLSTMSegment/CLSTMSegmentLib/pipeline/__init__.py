"""One run from a sequence to files, and a cohort of such runs."""

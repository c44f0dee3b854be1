"""Tables and pictures that show the results of runs, drawn from volume curves."""

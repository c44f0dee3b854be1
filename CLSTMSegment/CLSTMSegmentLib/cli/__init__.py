"""The commands of `clstm-segment`, one file for each.

`add_options` defines the options of a command, and which function runs it. A file imports torch, Dask and matplotlib,
which take seconds, only in this function, after the options are checked.
"""

"""The commands of `clstm-segment`, one file for each."""

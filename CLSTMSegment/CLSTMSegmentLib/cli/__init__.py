"""The commands of `clstm-segment`, a file each."""

"""The parts that all other packages use: errors, atomic writes, sequences, volume curves, devices and memory."""

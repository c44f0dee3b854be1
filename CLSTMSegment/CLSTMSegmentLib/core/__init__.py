"""What every room uses: errors, atomic writes, sequences, volume curves, devices and memory."""

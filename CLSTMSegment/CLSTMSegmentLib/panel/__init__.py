"""What the panel shows, and what a click starts; it computes nothing itself."""

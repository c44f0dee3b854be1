"""What a run leaves to read: the preview picture, the CSV and the JSON report."""

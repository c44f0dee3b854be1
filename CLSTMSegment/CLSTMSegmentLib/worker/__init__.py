"""A run or a teaching job in a worker process of its own."""

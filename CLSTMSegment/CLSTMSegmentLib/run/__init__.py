"""One run in a worker process: its job folder, the worker, and the runner that starts, follows and ends it."""

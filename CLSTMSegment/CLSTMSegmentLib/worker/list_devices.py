"""`python -m CLSTMSegmentLib.worker.list_devices` prints the devices of this computer as JSON.

This is a process of its own because it imports torch and tries every device, which takes seconds. It ends when its
parent process ends.
"""

import json

from .parent_process import leave_with_parent

if __name__ == "__main__":
    leave_with_parent(lambda: None)
    from ..core.devices import describe_devices  # with torch

    print(json.dumps(describe_devices()))

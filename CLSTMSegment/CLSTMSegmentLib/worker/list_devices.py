"""`python -m CLSTMSegmentLib.worker.list_devices` prints the devices of this computer as JSON.

This is a process of its own because it imports torch and tries every device, which takes seconds.
"""

import json

from ..core.devices import describe_devices

if __name__ == "__main__":
    print(json.dumps(describe_devices()))

"""`python -m CLSTMSegmentLib.worker.list_devices` prints what this computer can run on, as JSON.

In a process of its own: finding out imports torch and tries every device, which takes seconds.
"""

import json

from ..core.devices import describe_devices

if __name__ == "__main__":
    print(json.dumps(describe_devices()))

"""The most memory that a program of a test ever held."""

from __future__ import annotations

PEAK = '''
import re, resource, sys
from pathlib import Path

def peak():
    """In bytes. Linux counts what the parent held at the fork into ru_maxrss, but not into VmHWM."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
'''
"""Python that defines `peak`."""

"""Peak memory of a process; needs nothing but the standard library."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def largest_resident_size(*, reset: bool = False) -> int:
    """Peak resident bytes of this process, where possible since the last reset.

    Linux lets a process forget what importing took at its peak. Its ``ru_maxrss`` would not do: a
    fresh process inherits that of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

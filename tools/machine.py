"""What a measurement ran on."""

import os
import platform
import re
import resource
from pathlib import Path

MIB = 1 << 20


def name() -> str:
    """Processor and number of cores that this process may use."""
    found = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (match := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        found = match[1].strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{found}, {cores} cores"


def _resident(field: str) -> float | None:
    """A line of the process's status in MiB; None where the system has no such file."""
    try:
        match = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(match[1]) / 1024 if match else None


def reset_peak() -> bool:
    """Begin a new measurement of the highest resident memory; False where the system cannot (only Linux can)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    highest, present = _resident("VmHWM"), _resident("VmRSS")
    return highest is not None and present is not None and highest < present + 8


def peak() -> float:
    """Highest resident memory of this process in MiB since `reset_peak`, or since its start where that does nothing."""
    found = _resident("VmHWM")
    if found is not None:
        return found
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if platform.system() == "Linux" else MIB)

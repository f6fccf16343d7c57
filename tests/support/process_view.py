"""What a running program takes of the machine."""

import os


def _status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        (line,) = (line for line in status if line.startswith(f"{field}:"))
    return int(line.split()[1])


def resident_mb(pid):
    return _status(pid, "VmRSS") / 1024


def peak_mb(pid):
    """The most that it ever took."""
    return _status(pid, "VmHWM") / 1024


def threads(pid):
    return _status(pid, "Threads")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def processor_s(pid):
    """Processor time so far, seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

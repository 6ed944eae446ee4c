"""Whether another process of this machine is alive, by asking the system for it.

A number of a process means something within its PID namespace only, which a container has of its own.
https://man7.org/linux/man-pages/man7/pid_namespaces.7.html, https://man7.org/linux/man-pages/man2/kill.2.html
"""

import os
import socket
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Return what all processes share that can ask for one another, until the machine starts anew."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        boot, namespace = "", f"{os.getpid()}"  # nobody else is asked for then
    return f"{socket.gethostname()}/{boot}/{namespace}"


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of this number on this machine; one that has not been waited for is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

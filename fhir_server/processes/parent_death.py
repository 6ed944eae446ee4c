"""Child processes that end when their parent does, even when the parent was killed and could not tell them.

Linux: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
"""

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(parent: int) -> None:
    """Have the kernel send this process SIGTERM when process `parent` ends; at once if it has ended already.

    Raises OSError if the kernel refuses.
    """
    ending_with(parent)()


def ending_with(parent: int) -> Callable[[], None]:
    """Return what a child of process `parent` calls, right after it was forked, to end with it.

    What the child needs is loaded here, before the fork, as little is safe to do after it. The signal comes
    when the *thread* that forked ends: fork in one that lives as long as the parent should.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def end_with_it() -> None:
        if prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
        if os.getppid() != parent:  # it ended before the kernel knew our wish
            os.kill(os.getpid(), signal.SIGTERM)

    return end_with_it

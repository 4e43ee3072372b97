"""What the kernel is asked about processes: who they are, and that they do not outlive who started them."""

import ctypes
import os
import signal
import sys

import psutil

SUPERVISOR = "KEPT_SUPERVISOR_PID"
"""In the environment of every program: whom it must not outlive."""

_PR_SET_PDEATHSIG = 1


def die_with_parent(how: signal.Signals, parent: int) -> None:
    """Have the kernel send this process a signal when its parent ends, however it ends. Kept through exec, lost by a change of user.

    `parent` is who it should be: one that ended before the kernel was asked is noticed here. Linux only; elsewhere a killed supervisor
    leaves its children.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, how) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os.kill(os.getpid(), how)


def command_line(pid: int) -> list[str]:
    """The command of a live process, empty where there is none (a zombie has none)."""
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []

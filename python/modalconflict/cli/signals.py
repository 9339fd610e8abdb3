"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is open is closed, a study's lock is given back."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Stopped(KeyboardInterrupt):
    """A signal that asked the process to end.

    Attributes
    ----------
    number
        The signal's number; the exit status is 128 and it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def stop(number: int, _: Any) -> None:
    """Raise `Stopped`; the same signal again ends the process at once."""
    signal.signal(number, signal.SIG_DFL)
    raise Stopped(number)


def stop_on_signals() -> None:
    """Take SIGTERM and SIGHUP that way, unless somebody (nohup, say) wishes them ignored."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)

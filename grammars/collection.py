"""Python's cyclic garbage collector, held back while constraints are made and asked.

Reading a schema makes thousands of objects, none of which is garbage in circles.  The collector would look at all of
them several times meanwhile, count them as old, and the sooner go through everything that the process holds: half a
second in one that holds millions of objects.  That must not happen in the middle of a mask either, for which a batch of
sequences waits.  A collection that is due starts with the next object that the caller makes.
"""

import gc
import threading
from typing import Final

__all__ = ["hold_back_collection", "let_collection_go"]

_lock: Final = threading.Lock()
_holders = 0
_was_enabled = False


def hold_back_collection() -> None:
    """Let the collector not start by itself, in any thread, until `let_collection_go` has been called as often.

    Not a context, since entering one makes an object that the collector counts, and may start with.
    """
    global _holders, _was_enabled
    _lock.acquire()
    try:
        if _holders == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _holders += 1
    finally:
        _lock.release()


def let_collection_go() -> None:
    """Undo one `hold_back_collection`; the last one lets the collector go on as the first found it."""
    global _holders
    _lock.acquire()
    try:
        _holders -= 1
        if _holders == 0 and _was_enabled:
            gc.enable()
    finally:
        _lock.release()

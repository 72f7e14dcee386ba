"""Python's cyclic garbage collector, held back while much is made that stays.

Reading a schema makes thousands of objects, none of which is garbage in circles.  The collector would look at all of
them several times meanwhile, count them as old, and the sooner go through everything that the process holds: a third
of a second in one that holds millions of objects.
"""

import gc
import threading

__all__ = ["collection_held_back"]


class _Pause:
    """Counts those who want the collector held back; the last one lets it go on as the first found it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._was_enabled = False

    def __enter__(self) -> None:
        with self._lock:
            if self._count == 0:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0 and self._was_enabled:
                gc.enable()


collection_held_back = _Pause()
"""A context in which the collector does not start by itself, in any thread; may be nested."""

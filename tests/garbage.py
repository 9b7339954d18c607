"""What a piece of code leaves to the garbage collector: objects that refer to each other in a circle.

A call that leaves some makes every later call pay for finding them: a seventh of the processor of a process that did little else.
"""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["left_behind"]


@contextmanager
def left_behind(package: str = "armature") -> Iterator[Counter[str]]:
    """Count, by their type, the package's own objects that the block left in circles; filled when the block has ended."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(type(one).__name__ for one in gc.garbage if type(one).__module__.partition(".")[0] == package)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()

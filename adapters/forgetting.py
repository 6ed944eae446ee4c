"""Letting go of what an error holds: the frames that it came through have the whole message in them.

Errors and frames hold one another, so that they stay until Python looks for such rings, which is seldom in a
process that has much in memory; a few messages of 30 MB are a lot until then.
https://docs.python.org/3/library/traceback.html#traceback.clear_frames
"""

import traceback


def forget(failure: BaseException) -> None:
    """Clear the frames that `failure`, and what it comes from, went through, but those still under way."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [failure]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        waiting += [one.__cause__, one.__context__]

"""Waiting for a condition instead of sleeping for a guess."""

import time


def wait_for(condition, timeout, what, every=0.05, explain=None):
    """Returns the condition's first true value; fails after `timeout` seconds, saying what was waited for."""
    end = time.monotonic() + timeout
    last_error = None
    while True:
        try:
            value = condition()
            last_error = None
            if value:
                return value
        except (OSError, ValueError, KeyError) as error:  # not up yet
            last_error = error
        if time.monotonic() > end:
            detail = f" (last error: {last_error!r})" if last_error else ""
            more = f"\n{explain()}" if explain else ""
            raise AssertionError(f"not within {timeout} s: {what}{detail}{more}")
        time.sleep(every)

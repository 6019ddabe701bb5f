"""Waiting for a condition, with a good account of what is wrong when it does not come."""

import os
import time

# Sanitizer builds are several times slower; FAIRLEAD_TEST_PATIENCE stretches every limit.
PATIENCE = float(os.environ.get("FAIRLEAD_TEST_PATIENCE", "1"))


def wait_for(condition, timeout=10, what="", account=None, interval=0.02):
    """The condition's first true value. An OSError in it counts as not yet."""
    started = time.monotonic()
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except OSError as error:
            last = error
        if time.monotonic() - started > timeout * PATIENCE:
            name = what or getattr(condition, "__name__", "the condition")
            text = f"waited {timeout * PATIENCE:g} s in vain for {name}; last answer: {last!r}"
            raise AssertionError(f"{text}\n{account()}" if account else text)
        time.sleep(interval)

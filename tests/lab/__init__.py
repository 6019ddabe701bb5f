"""Hosts made of network namespaces on a bridge, with real parts in them. See README.md in this folder."""

from .lab import Lab
from .wait import wait_for

__all__ = ["Lab", "wait_for"]

"""Hosts, links and peers for the system tests and the demo; see lab.py for the way in."""

from .agent import CLASSIC, Agent, binary, merged
from .certificates import Authority
from .client import Client
from .control_plane import ControlPlane, find_apiserver, find_etcd
from .host import Host
from .lab import Lab
from .stand_in import StandIn, StandInPlane
from .waiting import PATIENCE, wait_for

__all__ = ["CLASSIC", "PATIENCE", "Agent", "Authority", "Client", "ControlPlane", "Host", "Lab", "StandIn", "StandInPlane", "binary", "find_apiserver", "find_etcd", "merged", "wait_for"]

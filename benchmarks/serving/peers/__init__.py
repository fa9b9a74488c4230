"""The peers, each in a file of its own. A new one: subclass `Peer`, and add it here."""

from .bento import BentoMl
from .contract import Peer
from .kserve import KServe
from .lit import LitServe
from .mlflow_serve import MlflowServe
from .mlserver import MlServer
from .ray_serve import RayServe
from .tutorial import Tutorial

ALL: tuple[Peer, ...] = (Tutorial(), MlflowServe(), MlServer(), BentoMl(), LitServe(), KServe(), RayServe())

__all__ = ["ALL", "Peer"]

"""Concept drift on a stream of errors: has the model's mistakes' rate changed, told one label at a time.

Owns detectors that read one number a time in bounded memory. Does not own what an error is, or what follows.
"""

from .adwin import Adwin
from .ddm import Ddm, Eddm
from .hddm import Hddm
from .page_hinkley import PageHinkley
from .records import Detector, Signal

__all__ = ["Adwin", "Ddm", "Detector", "Eddm", "Hddm", "PageHinkley", "Signal"]

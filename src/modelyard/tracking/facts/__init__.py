"""What a run was made with: code, machine, distributions. Asks this machine and calls nobody.

Owns finding it out, within bounds and without secrets. Does not own where it is kept: a run logs it.
"""

from .code import CodeFacts, code_facts
from .concealed import concealed
from .gathered import gathered
from .machine import machine_facts
from .packages import distributions, requirements_of

__all__ = [
    "CodeFacts",
    "code_facts",
    "concealed",
    "distributions",
    "gathered",
    "machine_facts",
    "requirements_of",
]

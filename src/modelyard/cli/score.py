"""`modelyard score`."""

from modelyard.operations import scoring

from .derive import command as derive
from .progress import scored
from .show import fields

command = scored(derive(scoring.score, fields, outside=scoring.score_alone))

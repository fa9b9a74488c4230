"""`modelyard stream`."""

from modelyard.operations import scoring_streams

from .derive import command as derive
from .progress import answered
from .show import fields

command = answered(derive(scoring_streams.score_stream, fields, outside=scoring_streams.score_stream_alone))

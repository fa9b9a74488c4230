"""`modelyard status`."""

from modelyard.operations import workspace

from .derive import command as derive
from .show import fields

command = derive(workspace.status, fields)

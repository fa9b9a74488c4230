"""`modelyard backup`."""

from modelyard.operations import backups

from .derive import command as derive
from .show import fields

command = derive(backups.backup, fields)

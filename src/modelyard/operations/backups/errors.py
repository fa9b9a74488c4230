"""What can go wrong with backups."""

from modelyard.core import Conflict, Damaged


class BackupDamaged(Damaged):
    """The file is no backup, or not all of one."""

    code = "BACKUP_DAMAGED"


class NotRestored(Conflict):
    """What is to be restored would go over something that is there."""

    code = "NOT_RESTORED"

"""The control process and its supervisor.

Owns the processes of a workspace, their ports and their restarts, who of several control processes leads, and the
scheduler that ticks monitors, rollouts and retraining. Does not own what those do, and is never in the path of a
request.
"""

from .errors import AlreadyRunning, NotPurged, PortInUse, StartFailed
from .health import Health
from .leading import LEADER, Leader, leading
from .ports import free_port, free_ports, port_owner, require_free_port, require_free_ports
from .purge import Purged, plan_purge, purge
from .scheduler import Happenings, look
from .supervisor import Part, Supervisor, python_command, stop_running
from .up import PARTS, console_part, server_part, up
from .watching import Watching

__all__ = [
    "LEADER",
    "PARTS",
    "AlreadyRunning",
    "Happenings",
    "Health",
    "Leader",
    "NotPurged",
    "Part",
    "PortInUse",
    "Purged",
    "StartFailed",
    "Supervisor",
    "Watching",
    "console_part",
    "free_port",
    "free_ports",
    "leading",
    "look",
    "plan_purge",
    "port_owner",
    "purge",
    "python_command",
    "require_free_port",
    "require_free_ports",
    "server_part",
    "stop_running",
    "up",
]

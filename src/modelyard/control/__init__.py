"""The control process and its supervisor.

Owns the processes of a workspace, their ports and their restarts, and the scheduler that ticks monitors, rollouts and
retraining. Does not own what those do, and is never in the path of a request.
"""

from .errors import AlreadyRunning, PortInUse, StartFailed
from .ports import free_port, free_ports, port_owner, require_free_port, require_free_ports
from .scheduler import Happenings, look
from .supervisor import Part, RunningProcess, Supervisor, python_command, running, stop_running
from .up import server_part, up
from .watching import Watching

__all__ = [
    "AlreadyRunning",
    "Happenings",
    "Part",
    "PortInUse",
    "RunningProcess",
    "StartFailed",
    "Supervisor",
    "Watching",
    "free_port",
    "free_ports",
    "look",
    "port_owner",
    "python_command",
    "require_free_port",
    "require_free_ports",
    "running",
    "server_part",
    "stop_running",
    "up",
]

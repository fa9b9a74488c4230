"""No Ctrl-C is lost, wherever it falls."""

import subprocess
import sys

from ..interrupts import heeding

PROGRAM = """
import signal, sys, time
from modelyard.cli.interrupts import interrupts_heard

class Last:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

with interrupts_heard():
    try:
        Last()
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit("heard")
sys.exit("lost")
"""


def test_ctrl_c_in_a_finaliser_is_heard_all_the_same() -> None:
    """Where Python would say that it ignored it, and go on."""
    ended = subprocess.run(
        heeding([sys.executable, "-c", PROGRAM]),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, "heard\n")

"""Run every benchmark and print its figures; arguments go to `benchmarks.serving`."""

import sys

from . import execution, starting
from .serving.run import main

starting.main()
execution.main()
sys.exit(main(sys.argv[1:]))

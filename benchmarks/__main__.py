"""Run every benchmark and print its figures; arguments go to `benchmarks.serving`."""

import sys

from . import execution, knowing, sketching, starting
from .data.validate import main as validate
from .serving.run import main

starting.main()
execution.main()
sys.exit(max(sketching.main(), knowing.main(), validate([]), main(sys.argv[1:])))

"""Run the benchmarks of minutes and print their figures; arguments go to `benchmarks.serving`.

Every one there is, with its command: docs/reference/benchmarks.md.
"""

import sys

from . import execution, knowing, sketching, starting
from .data.validate import main as validate
from .serving.run import main

starting.main()
execution.main()
sys.exit(max(sketching.main(), knowing.main(), validate([]), main(sys.argv[1:])))

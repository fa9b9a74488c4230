"""`python -m benchmarks.data`."""

import sys

from .validate import main

sys.exit(main(sys.argv[1:]))

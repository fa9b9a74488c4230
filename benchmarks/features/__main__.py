"""`python -m benchmarks.features`."""

import sys

from .join import main

sys.exit(main(sys.argv[1:]))

"""`python -m benchmarks.log --days 100 --rows 1000000 --features 5`."""

import sys

from .reading import main

sys.exit(main(sys.argv[1:]))

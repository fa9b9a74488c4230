"""`python -m benchmarks.scoring --rows 10000000 --models forest logistic`."""

import sys

from .run import main

sys.exit(main(sys.argv[1:]))

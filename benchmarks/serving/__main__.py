"""`python -m benchmarks.serving`: measure, print a table, and leave the figures as JSON."""

import sys

from .run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

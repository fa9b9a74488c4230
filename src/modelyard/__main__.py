"""`python -m modelyard` is `modelyard`."""

import sys

from modelyard.cli import main

code = main()
exec("")  # noqa: S102 - CPython ends `-m` by the signal when Ctrl-C fell into such a text, handled or not; this resets that
sys.exit(code)

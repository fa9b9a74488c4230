"""The command line: parse, call, print. One file a noun; what a command does lives in `operations`."""


def main() -> int:
    """The entry point of `modelyard`."""
    try:
        from .edge import run  # noqa: PLC0415 - imports stay out of the way of those who import the package
        from .root import root  # noqa: PLC0415
    except KeyboardInterrupt:  # before there is an edge to say so
        return 130
    return run(root)

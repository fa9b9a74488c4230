"""The upstream that answers at once, on the loop of our server: `python -m benchmarks.llm.instant --port N`.

Its model `instant` gives the same answer to everybody, made beforehand, whole or as a stream of eleven events.
"""

import argparse
import asyncio

import uvloop

from modelyard.testing import FaultyUpstream


async def _serve(port: int) -> None:
    await FaultyUpstream(keep=False).start(port)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()

"""Run llama.cpp's server in an environment of its own, and end with whoever started it: `python serve_gguf.py FLAGS…`.

Run by that environment's Python, which has nothing of ours: only the standard library is imported, and `llama_cpp`.
"""

import os
import runpy
import sys
import threading


def end_with_parent() -> None:
    """End at once when standard input closes: who started this is gone."""
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    runpy.run_module("llama_cpp.server", run_name="__main__", alter_sys=True)

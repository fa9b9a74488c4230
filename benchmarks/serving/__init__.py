"""Serving, against peers on the same machine in the same run: every figure is a ratio or a limit, none is a record.

    apt-get install wrk
    python -m benchmarks.serving                          # all of it, an hour on two cores
    python -m benchmarks.serving --quick                  # a look, not a measurement
    python -m benchmarks.serving --only forest --peer mlserver bentoml
    python -m benchmarks.serving --only grid              # every model x rows x concurrency

Peers live in virtual environments of their own under `benchmarks/.peers/`, which git ignores, installed when they are
first measured; so do the models, trained once, and the results of each run. The load generator shares the machine with
what it measures, which costs the faster server more: the ratios err towards the peers.

`measures/` has one file a question, `peers/` one a server. A measure is a function from `Bench` to figures.
"""

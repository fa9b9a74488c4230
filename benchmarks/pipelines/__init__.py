"""What running a pipeline costs, alone and beside other orchestrators: `python -m benchmarks.pipelines`."""

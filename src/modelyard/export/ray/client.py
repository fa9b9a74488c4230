"""A program for a Python that has Ray: it submits the job that it is told of, as JSON on standard input."""

import json
import sys
from contextlib import redirect_stdout
from typing import Any


def created(told: dict[str, Any]) -> dict[str, str]:
    """The job's id and its page, or what went wrong: `missing`, `unreachable` or `refused`."""
    try:
        from ray.job_submission import JobSubmissionClient  # noqa: PLC0415 - what is missing is told
    except ImportError as error:
        return {"missing": str(error)}
    try:
        client = JobSubmissionClient(told["host"])
    except ConnectionError as error:
        return {"unreachable": str(error)[:500]}
    try:
        run = client.submit_job(
            entrypoint=told["entrypoint"], runtime_env=told["runtime_env"], metadata=told["metadata"]
        )
    except RuntimeError as error:
        return {"refused": str(error)[:500]}
    return {"run": run, "url": f"{told['host'].rstrip('/')}/#/jobs/{run}"}


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        answer = created(json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer))

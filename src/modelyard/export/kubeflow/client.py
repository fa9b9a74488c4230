"""A program for a Python that has `kfp`: it creates the run that it is told of, as JSON on standard input.

It imports nothing of ours, for Kubeflow's SDK holds packages of ours down and so lives in an environment of its own.
"""

import json
import os
import sys
import warnings
from contextlib import redirect_stdout
from typing import Any


def created(told: dict[str, Any]) -> dict[str, str]:
    """The run's id and its page, or what went wrong: `missing`, `unreachable` or `refused`."""
    try:
        from kfp import Client  # type: ignore[import-not-found]  # noqa: PLC0415 - what is missing is told
        from kfp_server_api import ApiException  # type: ignore[import-not-found]  # noqa: PLC0415 - as above
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with it
    except ImportError as error:
        return {"missing": str(error)}
    token = os.environ.get("MODELYARD_KUBEFLOW_TOKEN")
    try:
        client = Client(host=told["host"], namespace=told["namespace"] or "kubeflow", existing_token=token)
        run = client.create_run_from_pipeline_package(
            told["package"],
            arguments=told["arguments"],
            run_name=told["name"],
            experiment_name=told["experiment"],
            namespace=told["namespace"],
        )
    except ApiException as error:
        return {"refused": f"{error.status} {error.reason}: {str(error.body)[:500]}"}
    except HTTPError as error:
        return {"unreachable": str(error)[:500]}
    return {"run": run.run_id, "url": f"{told['host'].rstrip('/')}/#/runs/details/{run.run_id}"}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with redirect_stdout(sys.stderr):  # the SDK prints links
        answer = created(json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer))

#!/usr/bin/env bash
# Runs pipeline training of flights as a job of a running Ray cluster: ./submit.sh http://HEAD:8265
# Its nodes have Modelyard with the extra `ray`, the project's folder at the same path, and the stores' addresses
# (MODELYARD_STORES_…) in their environment: docs/how-to/run-on-ray.md says what every node needs.
# Rendered by `modelyard export ray` from modelyard.yaml; change that, and render again.
set -euo pipefail
address="${1:?the address of the cluster's dashboard, such as http://127.0.0.1:8265}"
folder="${MODELYARD_HOME:-/project}"
export RAY_USAGE_STATS_ENABLED=0
exec ray job submit --address "$address" \
    --runtime-env-json '{"env_vars": {"MODELYARD_EXECUTION_RAY_ADDRESS": "auto", "RAY_USAGE_STATS_ENABLED": "0"}}' \
    -- modelyard pipeline run training --engine ray --project "$folder"

"""What flights needs again and again: the retraining loop's single step, and features.

Airflow 3: each DAG is one process of the worker, which goes on where a killed one stopped; MODELYARD_HOME names the
project's folder there, and `modelyard` is on its PATH (MODELYARD_BIN names it otherwise).
Rendered by `modelyard export airflow` from modelyard.yaml; change that, and render again.
"""

import os
from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PLACES = {
    "MODELYARD": os.environ.get("MODELYARD_BIN", "modelyard"),
    "PROJECT": os.environ.get("MODELYARD_HOME", "/project"),
}

# Labels, monitors, rollouts and the retraining loop, as far as they go now.
with DAG(
    dag_id="flights-loop",
    schedule="*/15 * * * *",  # UTC
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["modelyard", "flights"],
) as loop:
    BashOperator(
        task_id="loop",
        bash_command='"$MODELYARD" retrain tick --project "$PROJECT"',
        env=PLACES,
        append_env=True,
        retries=1,
        retry_delay=timedelta(minutes=1),
    )

# Feature values brought to the online store.
with DAG(
    dag_id="flights-materialize",
    schedule="7,22,37,52 * * * *",  # UTC
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["modelyard", "flights"],
) as materialize:
    BashOperator(
        task_id="materialize",
        bash_command='"$MODELYARD" features materialize --incremental --project "$PROJECT"',
        env=PLACES,
        append_env=True,
        retries=1,
        retry_delay=timedelta(minutes=1),
    )

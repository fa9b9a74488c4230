"""Train a candidate on the history known at `as_of`.

Airflow 3: each task is a process of the worker that runs `modelyard step run`; MODELYARD_HOME names the project's
folder there, and `modelyard` is on its PATH (MODELYARD_BIN names it otherwise).
Rendered by `modelyard export airflow` from modelyard.yaml; change that, and render again.
"""

import os
from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PROJECT = os.environ.get("MODELYARD_HOME", "/project")
# What a step prints goes to the log; its artifact, one line of JSON, is what the next steps pull.
COMMAND = (
    'out="$(mktemp)" && "$MODELYARD" step run "$FUNCTION" --project "$PROJECT" --name "$STEP" --run "$RUN" '
    '--inputs "$INPUTS" --params "$PARAMS" --output "$out" {words} >&2 && cat "$out" && rm -f "$out"'
)


def step(name, function, inputs, params, words=(), retries=1, seconds=300.0, timeout=None):
    """A task that carries out one step."""
    return BashOperator(
        task_id=name,
        bash_command=COMMAND.format(words=" ".join(words)),
        env={
            "MODELYARD": os.environ.get("MODELYARD_BIN", "modelyard"),
            "PROJECT": PROJECT,
            "FUNCTION": function,
            "STEP": name,
            "RUN": "{{ run_id | replace(':', '-') | replace('+', '-') }}",
            "INPUTS": inputs,
            "PARAMS": params,
        },
        append_env=True,
        do_xcom_push=True,
        retries=retries,
        retry_delay=timedelta(seconds=seconds),
        retry_exponential_backoff=True,
        execution_timeout=timedelta(seconds=timeout) if timeout else None,
    )


with DAG(
    dag_id="flights-training",
    description='Train a candidate on the history known at `as_of`.',
    schedule="0 2 * * *",  # UTC
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    params={
        "as_of": None,
        "holdout_days": 7,
        "min_auc": 0.58,
        "complete_rows": False,
        "window": None,
    },
    render_template_as_native_obj=False,
    tags=["modelyard", "flights"],
) as dag:
    step_load = step(
        "load",
        "training.py:load",
        '{}',
        '{"as_of": {"$datetime": {{ (params["as_of"] or dag_run.run_after.isoformat()) | tojson }}}, "window": {{ params["window"] | tojson }}}',
        retries=1,
        seconds=300.0,
        timeout=None,
    )
    step_join = step(
        "join",
        "training.py:join",
        '{"flights": {{ ti.xcom_pull(task_ids="load") }}}',
        '{}',
        retries=1,
        seconds=300.0,
        timeout=None,
    )
    step_validate = step(
        "validate",
        "training.py:validate",
        '{"rows": {{ ti.xcom_pull(task_ids="join") }}}',
        '{}',
        words=['--must-pass'],
        retries=0,  # a verdict is no accident: what waits for it does not run
        seconds=300.0,
        timeout=None,
    )
    step_split = step(
        "split",
        "training.py:split",
        '{"rows": {{ ti.xcom_pull(task_ids="join") }}}',
        '{"as_of": {"$datetime": {{ (params["as_of"] or dag_run.run_after.isoformat()) | tojson }}}, "holdout_days": {{ params["holdout_days"] | tojson }}}',
        retries=1,
        seconds=300.0,
        timeout=None,
    )
    step_check_parts = step(
        "check_parts",
        "training.py:check_parts",
        '{"parts": {{ ti.xcom_pull(task_ids="split") }}}',
        '{}',
        words=['--must-pass'],
        retries=0,  # a verdict is no accident: what waits for it does not run
        seconds=300.0,
        timeout=None,
    )
    step_train = step(
        "train",
        "training.py:train",
        '{"parts": {{ ti.xcom_pull(task_ids="split") }}}',
        '{"params": {"max_iter": 100, "learning_rate": 0.1}, "complete_rows": {{ params["complete_rows"] | tojson }}}',
        retries=1,
        seconds=300.0,
        timeout=None,
    )
    step_compare = step(
        "compare",
        "training.py:compare",
        '{"candidate": {{ ti.xcom_pull(task_ids="train") }}, "parts": {{ ti.xcom_pull(task_ids="split") }}}',
        '{"complete_rows": {{ params["complete_rows"] | tojson }}}',
        retries=1,
        seconds=300.0,
        timeout=None,
    )
    step_evaluate = step(
        "evaluate",
        "training.py:evaluate",
        '{"candidate": {{ ti.xcom_pull(task_ids="train") }}, "parts": {{ ti.xcom_pull(task_ids="split") }}}',
        '{}',
        retries=1,
        seconds=300.0,
        timeout=None,
    )
    step_gate = step(
        "gate",
        "modelyard.pipelines.gate:judge",
        '{"metrics": {{ ti.xcom_pull(task_ids="evaluate") }}, "challenge": {{ ti.xcom_pull(task_ids="compare") }}}',
        '{"minimum": {"auc": {{ params["min_auc"] | tojson }}}, "beat_champion_in": "auc", "margin": -0.02}',
        words=['--must-pass'],
        retries=0,  # a verdict is no accident: what waits for it does not run
        seconds=300.0,
        timeout=None,
    )
    step_train_2 = step(
        "train_2",
        "training.py:train",
        '{"parts": [{{ ti.xcom_pull(task_ids="join") }}]}',
        '{"params": {"max_iter": 100, "learning_rate": 0.1}, "complete_rows": {{ params["complete_rows"] | tojson }}}',
        retries=1,
        seconds=300.0,
        timeout=None,
    )
    step_register = step(
        "register",
        "training.py:register",
        '{"candidate": {{ ti.xcom_pull(task_ids="train_2") }}, "metrics": {{ ti.xcom_pull(task_ids="evaluate") }}, "gates": [{{ ti.xcom_pull(task_ids="gate") }}]}',
        '{}',
        retries=1,
        seconds=300.0,
        timeout=None,
    )

    step_join.set_upstream([step_load])
    step_validate.set_upstream([step_join])
    step_split.set_upstream([step_join, step_validate])
    step_check_parts.set_upstream([step_split, step_validate])
    step_train.set_upstream([step_split, step_validate, step_check_parts])
    step_compare.set_upstream([step_train, step_split, step_validate, step_check_parts])
    step_evaluate.set_upstream([step_train, step_split, step_validate, step_check_parts])
    step_gate.set_upstream([step_evaluate, step_compare, step_validate, step_check_parts])
    step_train_2.set_upstream([step_join, step_validate, step_check_parts, step_gate])
    step_register.set_upstream([step_train_2, step_evaluate, step_gate, step_validate, step_check_parts])

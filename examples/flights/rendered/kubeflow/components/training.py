"""Train a candidate on the history known at `as_of`.

Pipeline training of flights as lightweight components of Kubeflow Pipelines 2: each is a Python function that
runs one `modelyard step run`. It needs an environment of its own: pip install "kfp[kubernetes]==2.16.1"

    python FILE compile FILE.yaml                  # what is uploaded
    python FILE local as_of=2026-01-31T12:00:00Z   # here, by kfp.local: MODELYARD_HOME is the project's folder

`modelyard` is on the PATH (MODELYARD_BIN names it otherwise). On a cluster the image is given kfp when a component
starts, from the package index; `training.yaml` asks for none. Values that are no plain text, number or truth are JSON.
Rendered by `modelyard export kubeflow` from modelyard.yaml; change that, and render again.
"""

import json
import os
import sys
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

from kfp import compiler, dsl, kubernetes, local

IMAGE = "registry.example.com/flights-training:0.1.0"
STORES = ("RECORDS", "ARTIFACTS", "TRACKING", "ONLINE")
RUN = dsl.PIPELINE_JOB_ID_PLACEHOLDER
LOCALLY = sys.argv[1:2] == ["local"]


def artifact(text):
    """What an earlier step gave, and other JSON."""
    import json

    return json.loads(text)


def spawned(function, name, run, inputs, params, asked=(), words=(), timeout=None):
    """Carry out a step as a process: its artifact and verdict. None is started where one that it waits for did not pass."""
    import json
    import os
    import subprocess
    import tempfile

    if any(each != "pass" for each in asked):
        return "null", "skipped"
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, each) for each in ("artifact", "verdict")]
        command = [
            os.environ.get("MODELYARD_BIN", "modelyard"), "step", "run", function, "--name", name, "--run", run,
            "--project", os.environ.get("MODELYARD_HOME", "/project"),
            "--inputs", json.dumps(inputs), "--params", json.dumps(params),
            "--output", files[0], "--verdict", files[1], *words,
        ]
        subprocess.run(command, check=True, timeout=timeout)
        told = []
        for each in files:
            with open(each, encoding="utf-8") as file:
                told.append(file.read())
        return tuple(told)


component = partial(
    dsl.component, base_image=IMAGE, install_kfp_package=not LOCALLY, additional_funcs=[artifact, spawned]
)


@component
def load(
    run: str,
    as_of: str,
    window: str,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:load",
        "load",
        run,
        inputs={},
        params={"as_of": {"$datetime": as_of}, "window": artifact(window)},
    )


@component
def join(
    run: str,
    load_artifact: str,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:join",
        "join",
        run,
        inputs={"flights": artifact(load_artifact)},
        params={},
    )


@component
def validate(
    run: str,
    join_artifact: str,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:validate",
        "validate",
        run,
        inputs={"rows": artifact(join_artifact)},
        params={},
    )


@component
def split(
    run: str,
    join_artifact: str,
    validate_verdict: str,
    as_of: str,
    holdout_days: int,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:split",
        "split",
        run,
        inputs={"rows": artifact(join_artifact)},
        params={"as_of": {"$datetime": as_of}, "holdout_days": holdout_days},
        asked=[validate_verdict],
    )


@component
def check_parts(
    run: str,
    split_artifact: str,
    split_verdict: str,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:check_parts",
        "check_parts",
        run,
        inputs={"parts": artifact(split_artifact)},
        params={},
        asked=[split_verdict],
    )


@component
def train(
    run: str,
    split_artifact: str,
    check_parts_verdict: str,
    complete_rows: bool,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:train",
        "train",
        run,
        inputs={"parts": artifact(split_artifact)},
        params={"params": {"max_iter": 100, "learning_rate": 0.1}, "complete_rows": complete_rows},
        asked=[check_parts_verdict],
    )


@component
def compare(
    run: str,
    train_artifact: str,
    split_artifact: str,
    train_verdict: str,
    complete_rows: bool,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:compare",
        "compare",
        run,
        inputs={"candidate": artifact(train_artifact), "parts": artifact(split_artifact)},
        params={"complete_rows": complete_rows},
        asked=[train_verdict],
    )


@component
def evaluate(
    run: str,
    train_artifact: str,
    split_artifact: str,
    train_verdict: str,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:evaluate",
        "evaluate",
        run,
        inputs={"candidate": artifact(train_artifact), "parts": artifact(split_artifact)},
        params={},
        asked=[train_verdict],
    )


@component
def gate(
    run: str,
    evaluate_artifact: str,
    compare_artifact: str,
    evaluate_verdict: str,
    compare_verdict: str,
    min_auc: float,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "modelyard.pipelines.gate:judge",
        "gate",
        run,
        inputs={"metrics": artifact(evaluate_artifact), "challenge": artifact(compare_artifact)},
        params={"minimum": {"auc": min_auc}, "beat_champion_in": "auc", "margin": -0.02},
        asked=[evaluate_verdict, compare_verdict],
    )


@component
def train_2(
    run: str,
    join_artifact: str,
    gate_verdict: str,
    complete_rows: bool,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:train",
        "train_2",
        run,
        inputs={"parts": [artifact(join_artifact)]},
        params={"params": {"max_iter": 100, "learning_rate": 0.1}, "complete_rows": complete_rows},
        asked=[gate_verdict],
    )


@component
def register(
    run: str,
    train_2_artifact: str,
    evaluate_artifact: str,
    gate_artifact: str,
    train_2_verdict: str,
) -> NamedTuple("Given", [("artifact", str), ("verdict", str)]):
    return spawned(
        "training.py:register",
        "register",
        run,
        inputs={"candidate": artifact(train_2_artifact), "metrics": artifact(evaluate_artifact), "gates": [artifact(gate_artifact)]},
        params={},
        asked=[train_2_verdict],
    )


def placed(
    task,
    cache=True,
    retries=0,
    backoff="1s",
    cpus=("1", "4"),
    memory=("2Gi", "8Gi"),
    gpus=0,
    secrets=(),
):
    """What a task asks for, and may take; where it finds the stores, and secrets of its own, is a Secret of the cluster."""
    task.set_caching_options(cache)
    task.set_cpu_request(cpus[0]).set_cpu_limit(cpus[1])
    task.set_memory_request(memory[0]).set_memory_limit(memory[1])
    if gpus:
        task.set_accelerator_type("nvidia.com/gpu")
        task.set_accelerator_limit(gpus)
    if retries:
        task.set_retry(retries, backoff_duration=backoff, backoff_factor=2.0, backoff_max_duration="3600s")
    keys = [f"MODELYARD_STORES_{each}" for each in STORES] + list(secrets)
    kubernetes.use_secret_as_env(task, secret_name="modelyard-stores", secret_key_to_env={key: key for key in keys})


def passing(verdict):
    """What is inside runs only after this verdict. kfp.local knows no such conditions: there, components ask alone."""
    return nullcontext() if LOCALLY else dsl.If(verdict == "pass")


@dsl.pipeline(name="flights-training", description='Train a candidate on the history known at `as_of`.')
def pipeline(
    as_of: str,
    holdout_days: int = 7,
    min_auc: float = 0.58,
    complete_rows: bool = False,
    window: str = "null",
):
    load_task = load(
        run=RUN,
        as_of=as_of,
        window=window,
    )
    placed(load_task, cache=False)
    join_task = join(
        run=RUN,
        load_artifact=load_task.outputs["artifact"],
    )
    placed(join_task)
    validate_task = validate(
        run=RUN,
        join_artifact=join_task.outputs["artifact"],
    )
    placed(validate_task)
    with passing(validate_task.outputs["verdict"]):
        split_task = split(
            run=RUN,
            join_artifact=join_task.outputs["artifact"],
            validate_verdict=validate_task.outputs["verdict"],
            as_of=as_of,
            holdout_days=holdout_days,
        )
        placed(split_task)
        check_parts_task = check_parts(
            run=RUN,
            split_artifact=split_task.outputs["artifact"],
            split_verdict=split_task.outputs["verdict"],
        )
        placed(check_parts_task)
        with passing(check_parts_task.outputs["verdict"]):
            train_task = train(
                run=RUN,
                split_artifact=split_task.outputs["artifact"],
                check_parts_verdict=check_parts_task.outputs["verdict"],
                complete_rows=complete_rows,
            )
            placed(train_task)
            compare_task = compare(
                run=RUN,
                train_artifact=train_task.outputs["artifact"],
                split_artifact=split_task.outputs["artifact"],
                train_verdict=train_task.outputs["verdict"],
                complete_rows=complete_rows,
            )
            placed(compare_task)
            evaluate_task = evaluate(
                run=RUN,
                train_artifact=train_task.outputs["artifact"],
                split_artifact=split_task.outputs["artifact"],
                train_verdict=train_task.outputs["verdict"],
            )
            placed(evaluate_task)
            gate_task = gate(
                run=RUN,
                evaluate_artifact=evaluate_task.outputs["artifact"],
                compare_artifact=compare_task.outputs["artifact"],
                evaluate_verdict=evaluate_task.outputs["verdict"],
                compare_verdict=compare_task.outputs["verdict"],
                min_auc=min_auc,
            )
            placed(gate_task)
            with passing(gate_task.outputs["verdict"]):
                train_2_task = train_2(
                    run=RUN,
                    join_artifact=join_task.outputs["artifact"],
                    gate_verdict=gate_task.outputs["verdict"],
                    complete_rows=complete_rows,
                )
                placed(train_2_task)
                register_task = register(
                    run=RUN,
                    train_2_artifact=train_2_task.outputs["artifact"],
                    evaluate_artifact=evaluate_task.outputs["artifact"],
                    gate_artifact=gate_task.outputs["artifact"],
                    train_2_verdict=train_2_task.outputs["verdict"],
                )
                placed(register_task, cache=False)


def main():
    """`compile FILE.yaml`, or `local NAME=VALUE …`."""
    if sys.argv[1:2] == ["compile"] and len(sys.argv) == 3:
        compiler.Compiler().compile(pipeline, sys.argv[2])
    elif LOCALLY:
        kinds = {name: each.type for name, each in pipeline.component_spec.inputs.items()}
        given = dict(each.partition("=")[::2] for each in sys.argv[2:])
        values = {name: text if kinds[name] == "String" else json.loads(text) for name, text in given.items()}
        root = os.environ.get("KFP_ROOT", "kfp-local")
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=root)
        pipeline(**values)
    else:
        sys.exit(f"python {sys.argv[0]} compile FILE.yaml | local NAME=VALUE …")


if __name__ == "__main__":
    main()

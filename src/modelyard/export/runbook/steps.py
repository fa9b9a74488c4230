"""What a default rule means, and what to do when it fires: in the runbook of a project, and in the reference."""

MEANING = {
    "latency_p99": "One answer in a hundred takes longer than promised.",
    "latency_p95": "One answer in twenty takes longer than promised.",
    "latency_p50": "Half of the answers take longer than promised.",
    "error_rate": "An arm cannot score rows: it refuses them, raises, ends, or takes too long.",
    "accuracy_drop": "On labelled answers the model is worse than it was when it was registered.",
    "drift_score": "What is asked now is spread otherwise than what the model learned from.",
    "rollout_held": "A rollout waits far beyond its step's time for requests, evidence or approvals.",
    "accuracy": "On labelled answers, accuracy is below its floor.",
    "precision": "On labelled answers, precision is below its floor.",
    "recall": "On labelled answers, recall is below its floor.",
    "llm_cost": "A language model's answers of a window cost more than was declared.",
    "unsupported_rate": "Surely more of a language model's sentences rest on nothing than is allowed.",
}
_SLOW = (
    "`modelyard doctor`, and the dashboard `serving`: do rows wait (queue), is a processor full, did traffic grow?",
    "A new version is live since then? `modelyard rollout rollback {deployment} --reason TEXT`.",
    "Else more processes (`server.workers`), more servers, cached answers (`serving.cache_answers`), a smaller model.",
)
_WRONG = (
    "`modelyard monitor status --deployment {deployment}`: which windows, which segments, how many labels.",
    "Live since a new version? `modelyard rollout rollback {deployment} --reason TEXT`.",
    "Else ask whether it is the data: `modelyard drift analyze --model {model} --window 7d`.",
    "Retrain: `modelyard retrain run {model}`.",
)
STEPS = {
    "latency_p99": _SLOW,
    "latency_p95": _SLOW,
    "latency_p50": _SLOW,
    "error_rate": (
        "`modelyard log stats {deployment}`, and the dashboard `serving`: which kind of error, which arm.",
        "`input`: a caller sends what the model does not take; `modelyard bundle show` has its inputs.",
        "`model` or `timeout` since a new version: `modelyard rollout rollback {deployment} --reason TEXT`.",
    ),
    "accuracy_drop": _WRONG,
    "accuracy": _WRONG,
    "precision": _WRONG,
    "recall": _WRONG,
    "drift_score": (
        "`modelyard monitor status --deployment {deployment}`: which features moved, and how.",
        "All of them at once? Then it is the threshold, or the reference: see troubleshooting.",
        "One of them? Ask its source first: a column that changed its unit is no reason to retrain.",
        "Real, and performance falls: `modelyard retrain run {model}`.",
    ),
    "llm_cost": (
        "`modelyard monitor status --deployment {deployment}`: which arm, more answers or longer ones, how many kept.",
        "Someone asks too much? Keys have limits; `serving.budget` is a bound that is never exceeded.",
        "Longer answers since a new prompt: `modelyard rollout rollback {deployment} --reason TEXT`.",
    ),
    "unsupported_rate": (
        "`modelyard monitor status --deployment {deployment}`: which arm, and did the questions drift?",
        "Live since a new prompt or index? `modelyard rollout rollback {deployment} --reason TEXT`.",
        "New questions: add documents (`modelyard index update`), or let the guard `support` abstain.",
    ),
    "rollout_held": (
        "`modelyard rollout status {deployment}`: what it lacks, and since when.",
        "Requests: fewer come than its steps ask for. Evidence: `modelyard rollout evidence {deployment}`.",
        "Nothing speaks against it? `modelyard rollout advance {deployment} --reason TEXT`.",
        "Else end it: `modelyard rollout abort {deployment} --reason TEXT`.",
    ),
}  # fmt: skip
OTHER = ("`modelyard alert show FINGERPRINT`: value, history, and since when.",)

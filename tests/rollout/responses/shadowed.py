"""Prediction records of a live arm and its shadow, as the log gives them."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow as pa

from modelyard.journal import Generated

START = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("event_us", pa.timestamp("us", tz="UTC")),
        ("model_version", pa.string()),
        ("arm", pa.string()),
        ("role", pa.string()),
        ("answered", pa.bool_()),
        ("entity", pa.string()),
        ("prediction", pa.string()),
        ("scores", pa.list_(pa.float64())),
        ("latency_us", pa.int64()),
        ("error", pa.string()),
        ("logged_us", pa.timestamp("us", tz="UTC")),
        ("generated", pa.string()),
        ("country", pa.string()),
        ("amount", pa.float64()),
    ]
)


def shadowed(
    pairs: int,
    *,
    flipped: int = 0,
    failed: int = 0,
    uncopied: int = 0,
    values: bool = False,
    shift: float = 0.0,
    slow: int = 0,
    version: str = "2",
    first: int = 0,
) -> pa.Table:
    """So many pairs; the first `flipped` answer otherwise, the last `failed` fail, and some answers have no copy."""
    rng = np.random.default_rng(first)
    scores = np.where(rng.random(pairs) < 0.5, rng.uniform(0.05, 0.4, pairs), rng.uniform(0.6, 0.95, pairs))
    rows = []
    for at in range(pairs + uncopied):
        score = float(scores[at]) if at < pairs else 0.2
        other = 1 - score if at < flipped else score + shift
        one = _row(first + at, "1", "live", score, values=values, latency=5_000)
        rows.append(one)
        if at < pairs:
            lost = at >= pairs - failed
            late = 500_000 if at < slow else 8_000
            copy = _row(first + at, version, "shadow", other, values=values, latency=late)
            rows.append(copy | ({"prediction": None, "scores": [], "error": "model"} if lost else {}))
    return pa.Table.from_pylist(rows, SCHEMA)


def spoken(pairs: int, *, abstaining: int = 0, cut: int = 0) -> pa.Table:
    """Pairs of an application and its shadow, which says otherwise what it says: the first `abstaining` say that there
    is no answer, the last `cut` end too early. Every live answer quotes JSON that looks like an abstention's record.
    """
    rows = []
    for at in range(pairs):
        live = Generated(asked='{"abstained":true}', said=f"it is {at}")
        other = Generated(said=f"I would say {at}", abstained=at < abstaining)
        ended = "length" if at >= pairs - cut else "stop"
        for arm, version, made, end in (("live", "1", live, "stop"), ("shadow", "2", other, ended)):
            one = _row(at, version, arm, 0.0, values=False, latency=5_000)
            rows.append(one | {"prediction": end, "scores": [], "generated": msgspec.json.encode(made).decode()})
    return pa.Table.from_pylist(rows, SCHEMA)


def _row(at: int, version: str, arm: str, score: float, *, values: bool, latency: int) -> dict[str, object]:
    instant = int((START + at) * 1e6)
    return {
        "prediction_id": f"id-{at:07}",
        "event_us": instant,
        "model_version": version,
        "arm": arm,
        "role": arm,
        "answered": arm == "live",
        "entity": f"e{at % 97}",
        "prediction": str(score) if values else ("yes" if score > 0.5 else "no"),
        "scores": [score],
        "latency_us": latency,
        "error": None,
        "logged_us": instant + 1000,
        "generated": "",
        "country": "de" if at % 4 else "fr",
        "amount": float(at % 400),
    }


def embedded(pairs: int, *, turned: int = 0, cosine: float = 0.9999, reshaped: int = 0) -> pa.Table:
    """Pairs of an embedder and its shadow: the first `turned` at .9, the last `reshaped` of another dimension."""
    rows = []
    for at in range(pairs):
        far = [0.9] if at < turned else [] if at >= pairs - reshaped else [cosine]
        for arm, version, scores in (("live", "1", []), ("shadow", "2", far)):
            one = _row(at, version, arm, 0.0, values=False, latency=5_000)
            rows.append(one | {"prediction": "embedding", "scores": scores})
    return pa.Table.from_pylist(rows, SCHEMA)

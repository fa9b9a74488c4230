"""Operations on one person's records: what there is, and taking it away."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from modelyard.access import Permission, Principal, load_pepper
from modelyard.core import InvalidInput, Scalar, atomic_write
from modelyard.history import Erased, ExportExists
from modelyard.llm import Item
from modelyard.wiring import Project

from .contract import Call, Option, operation

_PATIENCE_S = 5.0
"""How long servers may take to close the segments that they write."""

_LOOK_S = 0.1


@dataclass(frozen=True)
class Person:
    """Whose records, and by which entity keys views know the person."""

    entity: Annotated[str, Option("The entity, as requests name it.")]
    key: Annotated[
        tuple[str, ...], Option("Entity key of views that holds it; by default the fields that deployments assign by.")
    ] = ()


@operation("log", "erase", Permission.OPERATE, local=True)
def erase_person(call: Call[Person]) -> Any:
    """Erase an entity: predictions, labels, outcomes, online features, answers in queues; says what it cannot reach.

    Both its beginning and its end are audited, by a digest that proves whose records went to whoever knows the name.
    When it is cut off, the same command does the rest.
    """
    project, entity = call.project, _checked(call.input.entity)
    digest = _digest(project, entity)
    with project.records.transaction() as tx:
        project.audit.record(tx, call.principal, "log.erase", digest, {})
    names = project.names_in_log(entity)
    erased, queued = _erased(project, names), project.queues.forget(names)
    online = {name: project.online.forget(name, keys) for name, keys in _online(project, call.input).items()}
    told = {**asdict(erased), "online": {name: count for name, count in online.items() if count}, "queued": queued}
    with project.records.transaction() as tx:
        project.audit.record(tx, call.principal, "log.erased", digest, told)
    return {**told, "digest": digest, "unreached": _unreached(project, call.input)}


def export_person(project: Project, principal: Principal, given: Person, output: Path) -> dict[str, Any]:
    """Write all that the log, the online store and queues have of an entity to a JSON file that is new; audited."""
    entity = _checked(given.entity)
    if output.suffix.lower() != ".json":
        raise InvalidInput(
            f"What is known of one entity is a JSON document, and '{output.name[:80]}' ends otherwise.",
            code="NO_FORMAT",
            remedy="Name a file that ends in .json.",
        )
    if output.exists():
        raise ExportExists(f"{output} exists, and an export replaces nothing.", remedy="Choose another name.")
    project.log.seal()
    found = {
        "entity": entity,
        "predictions": _rows(project, "predictions", entity),
        "outcomes": _rows(project, "outcomes", entity),
        "online": _features(project, given),
        "queued": [_queued(each) for each in project.queues.made_for(project.names_in_log(entity))],
        "elsewhere": _unreached(project, given),
    }
    counts = {name: len(found[name]) for name in ("predictions", "outcomes", "online", "queued")}
    with project.records.transaction() as tx:
        project.audit.record(tx, principal, "log.export", _digest(project, entity), counts)
    atomic_write(output, json.dumps(found, indent=1, default=str).encode(), mode=0o600)
    return {**counts, "file": str(output)}


def _checked(entity: str) -> str:
    if not entity:
        raise InvalidInput("An empty name is nobody's.", context={"path": "entity"}, remedy="Give --entity ID.")
    return entity


def _digest(project: Project, entity: str) -> str:
    """What stands for the name in the audit record: nobody finds the name by it without the workspace's pepper."""
    pepper = load_pepper(project.run_folder / "pepper")
    return hmac.new(pepper, f"entity:{entity}".encode(), hashlib.sha256).hexdigest()[:32]


def _erased(project: Project, names: Sequence[str]) -> Erased:
    """Erase until nothing waits in a segment that a server writes; servers are asked to begin new ones."""
    deadline = time.monotonic() + _PATIENCE_S
    if project.feed.statuses(project.clock.micros()):
        project.feed.ask_for_new_segments()
    done = project.log.erase(names)
    total = done
    while done.waiting and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        done = project.log.erase(names)
        total = total + done
    return total


def _online(project: Project, given: Person) -> dict[str, list[tuple[Scalar]]]:
    """The tables of the online store that know entities by one of the keys alone, and the person's key in them."""
    keys: list[tuple[Scalar]] = [(given.entity,)]
    if given.entity.removeprefix("-").isdecimal():
        keys.append((int(given.entity),))
    alone = [name for name, own in _views(project).items() if len(own) == 1 and own[0] in _keys(project, given)]
    return {table: keys for table in project.online.views() if table.partition("@")[0] in alone}


def _views(project: Project) -> Mapping[str, Sequence[str]]:
    return {name: view.keys for name, view in project.features.definitions.views.items()}


def _keys(project: Project, given: Person) -> set[str]:
    followed = {each.assign_by for each in project.settings.deployments.values()}
    return set(given.key) or {each for each in followed if each is not None}


def _features(project: Project, given: Person) -> dict[str, Any]:
    found = {}
    for table, keys in _online(project, given).items():
        rows = [each for each in project.online.read(table, keys) if each is not None]
        if rows:
            found[table] = [{"event_us": each.event_us, "values": list(each.values)} for each in rows]
    return found


def _queued(item: Item) -> dict[str, str]:
    """An answer that people judge."""
    return {"prediction_id": item.item, "question": item.question, "answer": item.answer}


def _rows(project: Project, view: str, entity: str) -> list[dict[str, Any]]:
    """The records of a view of the log; of predictions with features and labels by name."""
    found: list[dict[str, Any]] = []
    for name in project.names_in_log(entity):
        for deployment in project.settings.deployments:
            if view == "outcomes":
                found += project.log.outcomes(deployment, entity=name).to_pylist()
            else:
                found += project.log.batches(deployment, entity=name, labels=True).read_all().to_pylist()
    return found


def _unreached(project: Project, given: Person) -> list[str]:
    """Where records of a person may be that the log does not own."""
    keys = _keys(project, given)
    others = [name for name, own in _views(project).items() if len(own) > 1 and keys & set(own)]
    places = [
        "dataset versions, and the sources of features and labels: what is read from them again comes back",
        "bundles and models (golden rows, what was learned), and artifacts of runs in MLflow",
        "backups, exports, and files that were written with modelyard log export",
        "samples of rows that windows keep: they name no entity",
    ]
    if others:
        places.append(f"online rows of views with several keys: {', '.join(others)}")
    if project.settings.stores.log is not None:
        places.append(
            f"copies of the log in {project.settings.stores.topic} or the folder that stores.log names: files there "
            "follow with the next modelyard log ship, messages of a stream do not"
        )
    return places

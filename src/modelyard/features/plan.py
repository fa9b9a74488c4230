"""The plan that a bundle carries: from the names that a model's inputs have in the definitions."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from modelyard.online import DerivedPlan, FeaturePlan, FunctionPlan, RequestField, ViewPlan

from .definitions import Definitions, FeatureView, OnDemandPart, OnDemandView
from .errors import InvalidDefinition


def feature_plan(definitions: Definitions, features: Sequence[str], request: Sequence[RequestField]) -> FeaturePlan:
    """The plan of a model whose inputs are `features`: request fields or `view:feature` names.

    Fields that only on-demand features need are added to the request, and are required there. InvalidDefinition when
    the request lacks the key of a view, when names meet, and when an on-demand feature is nothing that a model takes.
    """
    own = {field.name: field for field in request}
    views, on_demand = _by_view(definitions, [each for each in features if each not in own])
    derived = [_derived_plan(view, tuple(names)) for view, names in on_demand.values()]
    _refuse_times(on_demand)
    fields = {**own, **_more_fields(derived, own)}
    inputs = _inputs(derived, views)
    require_unique([*fields, *(name for names in views.values() for name in names),
                    *(name for each in derived for name in each.features)])  # fmt: skip
    plans = []
    for name in dict.fromkeys([*views, *inputs]):
        view = definitions.view(name)
        if missing := set(view.keys) - fields.keys():
            raise InvalidDefinition(
                f"View '{view.name}' is keyed by {', '.join(sorted(missing))}, which the request does not carry.",
                remedy="Add it to the model's request fields.",
            )
        plans.append(view_plan(view, views.get(name, ()), inputs.get(name, ())))
    return _plan(fields, plans, derived)


def lookup_plan(definitions: Definitions, features: Sequence[str]) -> FeaturePlan:
    """The plan of looking up `view:feature` names: the request has the fields that on-demand features take, no keys.

    InvalidDefinition when two features share a name.
    """
    views, on_demand = _by_view(definitions, list(dict.fromkeys(features)))
    derived = [_derived_plan(view, tuple(names)) for view, names in on_demand.values()]
    inputs = _inputs(derived, views)
    require_unique([*(name for names in views.values() for name in names),
                    *(name for each in derived for name in each.features)])  # fmt: skip
    plans = [
        view_plan(definitions.view(name), views.get(name, ()), inputs.get(name, ()))
        for name in dict.fromkeys([*views, *inputs])
    ]
    return _plan(_more_fields(derived, {}), plans, derived)


def _plan(
    fields: Mapping[str, RequestField], views: Sequence[ViewPlan], computed: Sequence[DerivedPlan | FunctionPlan]
) -> FeaturePlan:
    derived = tuple(each for each in computed if isinstance(each, DerivedPlan))
    functions = tuple(each for each in computed if isinstance(each, FunctionPlan))
    return FeaturePlan(tuple(fields.values()), tuple(views), derived, functions)


def view_plan(view: FeatureView, used: Sequence[str], inputs: Sequence[str] = ()) -> ViewPlan:
    """A view as the server reads it; `inputs` are read for expressions alone."""
    return ViewPlan(
        name=view.name,
        entity_keys=view.keys,
        features=tuple(used),
        stored=view.feature_names,
        ttl_s=view.ttl.total_seconds() if view.ttl else None,
        stale=view.stale,
        defaults=dict(view.defaults),
        inputs=tuple(inputs),
    )


def require_unique(names: Sequence[str]) -> None:
    """InvalidDefinition when a name stands twice among a model's fields and features."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidDefinition(
            f"Features that go together share names: {', '.join(twice)[:200]}.",
            remedy="Rename the columns in one of the views.",
        )


_OnDemand: TypeAlias = Mapping[str, tuple[OnDemandView, list[str]]]


def _by_view(definitions: Definitions, features: Sequence[str]) -> tuple[dict[str, list[str]], _OnDemand]:
    """The features of each view, and those of each on-demand view."""
    views: dict[str, list[str]] = {}
    on_demand: dict[str, tuple[OnDemandView, list[str]]] = {}
    for reference in features:
        part = definitions.part(reference)
        if isinstance(part, OnDemandPart):
            on_demand.setdefault(part.view.name, (part.view, []))[1].extend(part.names)
        else:
            views.setdefault(part.view.name, []).extend(part.names)
    return views, on_demand


def _refuse_times(on_demand: _OnDemand) -> None:
    """InvalidDefinition when a feature that a model takes is a time."""
    for view, features in on_demand.values():
        kinds = view.output_kinds(features)
        for name in features:
            if kinds[name] == "instant":
                raise InvalidDefinition(
                    f"The on-demand feature '{view.name}:{name}' is a time, which no model takes.",
                    context={"view": view.name, "feature": name},
                    remedy="Make a number of it: the hour(…), or the seconds between two times with a minus.",
                )


def _derived_plan(view: OnDemandView, features: tuple[str, ...]) -> DerivedPlan | FunctionPlan:
    if view.function is not None:
        return view.called(features)
    inputs = view.derived_inputs(features)
    view.program(features)  # says what does not fit
    return DerivedPlan(view.name, inputs, tuple(view.formulas(features).items()), features)


def _more_fields(
    derived: Sequence[DerivedPlan | FunctionPlan], own: Mapping[str, RequestField]
) -> dict[str, RequestField]:
    """The request fields that only expressions need."""
    more: dict[str, RequestField] = {}
    for plan in derived:
        for each in plan.inputs:
            if each.view is not None:
                continue
            field = RequestField(each.feature, "number" if each.kind == "number" else "category")
            declared = own.get(each.feature, field)
            if declared.kind != field.kind:
                raise InvalidDefinition(
                    f"The field '{each.feature}' is a {declared.kind} in the model's request, and a {each.kind} in the "
                    f"request source of on-demand view '{plan.name}'.",
                    remedy="Declare the same in both.",
                )
            if each.feature not in own:
                more[each.feature] = field
    return more


def _inputs(derived: Sequence[DerivedPlan | FunctionPlan], used: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """What is read of each view for expressions alone."""
    found: dict[str, list[str]] = {}
    for plan in derived:
        for each in plan.inputs:
            if each.view is None or each.feature in used.get(each.view, ()):
                continue
            names = found.setdefault(each.view, [])
            if each.feature not in names:
                names.append(each.feature)
    return found

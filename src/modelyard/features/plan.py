"""The plan that a bundle carries: from the names that a model's inputs have in the definitions."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from modelyard.online import DerivedInput, DerivedPlan, FeaturePlan, RequestField, ViewPlan

from .definitions import Definitions, FeatureView, OnDemandPart, OnDemandView
from .errors import InvalidDefinition


def feature_plan(definitions: Definitions, features: Sequence[str], request: Sequence[RequestField]) -> FeaturePlan:
    """The plan of a model whose inputs are `features`: request fields or `view:feature` names.

    Fields that only on-demand features need are added to the request, and are required there. InvalidDefinition when
    the request lacks the key of a view, when names meet, and when an on-demand feature is nothing that a model takes.
    """
    own = {field.name: field for field in request}
    views: dict[str, list[str]] = {}
    on_demand: dict[str, tuple[OnDemandView, list[str]]] = {}
    for reference in features:
        if reference in own:
            continue
        part = definitions.part(reference)
        if isinstance(part, OnDemandPart):
            on_demand.setdefault(part.view.name, (part.view, []))[1].extend(part.names)
        else:
            views.setdefault(part.view.name, []).extend(part.names)
    derived = [_derived_plan(view, tuple(names)) for view, names in on_demand.values()]
    fields = {**own, **_more_fields(derived, own)}
    inputs = _inputs(derived, views)
    require_unique([*fields, *(name for names in views.values() for name in names),
                    *(name for each in derived for name in each.features)])  # fmt: skip
    return FeaturePlan(
        tuple(fields.values()),
        tuple(
            view_plan(definitions.view(name), views.get(name, ()), fields.keys(), inputs.get(name, ()))
            for name in dict.fromkeys([*views, *inputs])
        ),
        tuple(derived),
    )


def view_plan(
    view: FeatureView, used: Sequence[str], request: AbstractSet[str], inputs: Sequence[str] = ()
) -> ViewPlan:
    """A view as the server reads it; `inputs` are read for expressions alone."""
    if missing := set(view.keys) - request:
        raise InvalidDefinition(
            f"View '{view.name}' is keyed by {', '.join(sorted(missing))}, which the request does not carry.",
            remedy="Add it to the model's request fields.",
        )
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
            f"The model's features share names: {', '.join(twice)}.", remedy="Rename the columns in one of the views."
        )


def _derived_plan(view: OnDemandView, features: tuple[str, ...]) -> DerivedPlan:
    program, kinds = view.program(features), view.kinds(features)
    for name in features:
        if program.kinds[name] == "instant":
            raise InvalidDefinition(
                f"The on-demand feature '{view.name}:{name}' is a time, which no model takes.",
                context={"view": view.name, "feature": name},
                remedy="Make a number of it: the hour(…), or the seconds between two times with a minus.",
            )
    inputs = [
        DerivedInput(name, kinds[name], each.feature, None if each.view is None else each.view.name)
        for name, each in view.inputs(features).items()
    ]
    return DerivedPlan(view.name, tuple(inputs), tuple(view.formulas(features).items()), features)


def _more_fields(derived: Sequence[DerivedPlan], own: Mapping[str, RequestField]) -> dict[str, RequestField]:
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


def _inputs(derived: Sequence[DerivedPlan], used: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
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

"""On-demand features offline: the same expressions and functions as in the server, over columns, after the join."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from modelyard.core import ModelyardError, did_you_mean
from modelyard.inference import TransformFailed
from modelyard.online import given_column

from .definitions import OnDemandView
from .errors import InvalidDefinition
from .kinds import ARROW, ARROW_OUTPUTS, from_column, plain_values, to_column


@dataclass(frozen=True)
class Derived:
    """Features of an on-demand view by the names of their columns, and the column of each of its inputs."""

    view: OnDemandView
    names: Mapping[str, str]
    columns: Mapping[str, str]

    def check(self, columns: Sequence[str]) -> None:
        """InvalidDefinition when entity rows with these columns lack an input, or have a feature already."""
        for name, each in self.view.inputs(tuple(self.names)).items():
            if each.view is None and each.feature not in columns:
                raise InvalidDefinition(
                    f"The entity rows have no column '{each.feature[:80]}', which the on-demand view "
                    f"'{self.view.name}' takes from requests as '{name[:80]}'.",
                    context={"view": self.view.name, "column": each.feature[:80]},
                    remedy=did_you_mean(each.feature, columns),
                )
        for column in self.names.values():
            if column in columns:
                raise InvalidDefinition(
                    f"Feature '{column[:80]}' of view '{self.view.name}' has the name of a column of the entity rows.",
                    context={"view": self.view.name, "feature": column[:80]},
                    remedy="Rename one of them, or ask for full_feature_names=True.",
                )

    def added(self, table: pa.Table) -> pa.Table:
        """A joined table with the features behind it. InvalidInput for whole numbers beyond 2^53 in an input."""
        if self.view.function is not None:
            return self._called(table)
        features = tuple(self.names)
        kinds = self.view.kinds(features)
        given = {
            name: to_column(table.column(column), kinds[name], f"input '{name}' of on-demand view '{self.view.name}'")
            for name, column in self.columns.items()
        }
        program = self.view.program(features)
        made = program.run(given, len(table))
        for feature, column in self.names.items():
            kind = program.kinds[feature]
            table = self._with(table, feature, pa.field(column, ARROW[kind]), from_column(made[feature], kind))
        return table

    def _called(self, table: pa.Table) -> pa.Table:
        """The same with what the view's function gives. TransformFailed when it gives nothing for a row."""
        plan = self.view.called(tuple(self.names))
        given = [
            given_column(each, plain_values(table.column(self.columns[each.name]), each, self.view.name), texts=False)
            for each in plan.inputs
        ]
        made = self.view.running.transforms().run(plan, given, len(table))
        if made.errors:
            raise self._failed(dict(made.errors), len(table))
        for (feature, kind), values in zip(plan.outputs, made.columns, strict=True):
            if feature in self.names:
                field = pa.field(self.names[feature], ARROW_OUTPUTS[kind])
                table = self._with(table, feature, field, pa.array(values, field.type))
        return table

    def _failed(self, errors: Mapping[int, ModelyardError], rows: int) -> ModelyardError:
        """What is wrong with the first row that has no values."""
        first = min(errors)
        error = errors[first]
        more = f" and {len(errors) - 1:,} more" if len(errors) > 1 else ""
        return TransformFailed(
            f"On-demand view '{self.view.name}', row {first:,}{more} of {rows:,}: {error.message}",
            context={**error.context, "view": self.view.name, "row": first, "failed": len(errors)},
            remedy=error.remedy,
        )

    def _with(self, table: pa.Table, feature: str, field: pa.Field, values: pa.Array) -> pa.Table:
        if field.name in table.column_names:
            raise InvalidDefinition(
                f"Feature '{feature[:80]}' of view '{self.view.name}' has the name of another that is asked for.",
                remedy="Rename one of them, or ask for full_feature_names=True.",
            )
        return table.append_column(field, values)

"""On-demand features offline: the same expressions as in the server, over whole columns, after the join."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from modelyard.core import did_you_mean

from .definitions import OnDemandView
from .errors import InvalidDefinition
from .kinds import ARROW, from_column, to_column


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
        features = tuple(self.names)
        kinds = self.view.kinds(features)
        given = {
            name: to_column(table.column(column), kinds[name], f"input '{name}' of on-demand view '{self.view.name}'")
            for name, column in self.columns.items()
        }
        program = self.view.program(features)
        made = program.run(given, len(table))
        for feature, column in self.names.items():
            if column in table.column_names:
                raise InvalidDefinition(
                    f"Feature '{feature[:80]}' of view '{self.view.name}' has the name of another that is asked for.",
                    remedy="Rename one of them, or ask for full_feature_names=True.",
                )
            kind = program.kinds[feature]
            table = table.append_column(pa.field(column, ARROW[kind]), from_column(made[feature], kind))
        return table

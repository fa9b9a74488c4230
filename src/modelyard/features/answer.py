"""What an online read answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelyard.core import Scalar
from modelyard.online import FeatureColumns, Presence

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class OnlineFeatures:
    """Features of entities, in the order in which the entities were given."""

    columns: FeatureColumns

    @property
    def presence(self) -> Mapping[str, list[Presence]]:
        """How each value came to be, by feature: present, null, missing or expired."""
        return self.columns.presence

    def to_dict(self) -> dict[str, list[Scalar]]:
        """The entities' keys and the features, each a list with a value for each entity."""
        return {**self.columns.keys, **self.columns.values}

    def to_df(self) -> "pd.DataFrame":
        """The same as a DataFrame of pandas, a row for each entity."""
        import pandas as pd  # noqa: PLC0415 - who wants no DataFrame need not have pandas

        return pd.DataFrame(self.to_dict())

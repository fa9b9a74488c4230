"""The `upstreams` section of the project file."""

from typing import Any

import msgspec
from pydantic import Field, field_validator

from modelyard.core import InvalidInput
from modelyard.core.settings import Section
from modelyard.generation import Address, Price, PriceList, Upstream

_MICROS = 1_000_000


class PriceSettings(Section):
    """What a million tokens cost, in the currency of the upstream's price list."""

    input: float = Field(ge=0, le=1e9, description="Of what is read.")
    output: float = Field(ge=0, le=1e9, description="Of what is written.")
    cached: float | None = Field(
        None, ge=0, le=1e9, description="Of what the upstream had read before; none: as input."
    )

    @property
    def price(self) -> Price:
        """The same in whole millionths."""
        cached = None if self.cached is None else round(self.cached * _MICROS)
        return Price(round(self.input * _MICROS), round(self.output * _MICROS), cached)


class UpstreamSettings(Section):
    """Something that speaks OpenAI's API, and has text made for applications."""

    url: str = Field(description="Where /chat/completions stands below, as http://127.0.0.1:8000/v1.")
    key_variable: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Environment variable of the server with the API key."
    )
    connect_seconds: float = Field(5.0, gt=0, description="How long connecting may take.")
    silent_seconds: float = Field(60.0, gt=0, description="How long nothing may come.")
    retries: int = Field(1, ge=0, le=10, description="Further attempts while nothing has come.")
    longest_wait: float = Field(5.0, ge=0, description="The longest that its Retry-After is waited for, in seconds.")
    failures: int = Field(5, ge=1, description="After so many failures in a row it is left alone for a while.")
    cooldown_seconds: float = Field(10.0, gt=0, description="How long it is left alone then.")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Currency of the prices.")
    prices: dict[str, PriceSettings] = Field(default_factory=dict, description="Prices by its own names for models.")

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        """An address that can be one."""
        try:
            Address.parse(url)
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return url

    @property
    def declared(self) -> dict[str, Any]:
        """The same, as servers read it in the feed."""
        prices = PriceList({name: each.price for name, each in self.prices.items()}, self.currency)
        plain = self.model_dump(exclude={"currency", "prices"})
        told: dict[str, Any] = msgspec.to_builtins(Upstream(**plain, prices=prices))
        return told

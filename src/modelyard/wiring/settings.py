"""The sections of `modelyard.yaml` that belong to no single room."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from modelyard.access import Role, is_loopback, is_safe_address
from modelyard.core import Digest, InvalidInput
from modelyard.core.durations import Duration
from modelyard.core.settings import Section
from modelyard.history import TOPIC
from modelyard.online import check_online_address
from modelyard.registry import ApprovalRule, OutsidePolicy, check_alias
from modelyard.streams import StreamAddress, is_stream_address


class StoresSettings(Section):
    """Where things are kept. Each is a URL, or a path inside the workspace; each has a twin beyond one machine."""

    workspace: Path = Field(Path(".modelyard"), description="Folder of every embedded store, beside the project file.")
    records: SecretStr | None = Field(None, description="Record store: sqlite:///… or postgresql+psycopg://…")
    artifacts: str | None = Field(None, description="Artifact store: a folder or s3://bucket/prefix.")
    online: SecretStr = Field(
        SecretStr("local"),
        description="Online store: local (embedded, memory-mapped), redis://HOST:6379/0 or postgresql://HOST/DATABASE.",
    )
    tracking: SecretStr | None = Field(None, description="MLflow tracking and registry URI.")
    log: SecretStr | None = Field(
        None,
        description="Where modelyard up and modelyard log ship bring the prediction log: a stream (kafka://…, "
        "nats://…, redis://…, local:…) or a folder for its files (s3://…, file://…).",
    )
    topic: str = Field(
        TOPIC,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Stream of predictions, where an address has none.",
    )

    @field_validator("log")
    @classmethod
    def _shippable(cls, log: SecretStr | None) -> SecretStr | None:
        """An address that can be one, of a stream."""
        if log is None or not is_stream_address(log.get_secret_value()):
            return log
        try:
            StreamAddress.parse(log.get_secret_value(), TOPIC)
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return log

    @field_validator("online")
    @classmethod
    def _reachable(cls, online: SecretStr) -> SecretStr:
        """An address that can be one; whether something answers there is seen when it is used."""
        try:
            check_online_address(online.get_secret_value())
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return online


class ServerSettings(Section):
    """The HTTP data plane."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65535, description="Port of /predict and the other endpoints.")
    grpc_port: int | None = Field(8081, ge=1, le=65535, description="Port of the gRPC protocols; null: none.")
    metrics_port: int = Field(8082, ge=1, le=65535, description="Port of /metrics.")
    certificate: Path | None = Field(None, description="TLS certificate of every port of the server (PEM, with chain).")
    private_key: Path | None = Field(None, description="Private key of that certificate (PEM).")
    behind_proxy: bool = Field(
        default=False, description="A proxy in front ends TLS, and says whom it speaks for: X-Forwarded-For."
    )
    workers: int = Field(1, ge=1, le=256, description="Processes that share the port.")
    receive_seconds: float = Field(10.0, gt=0, description="How long a client may take to send a request.")
    drain_seconds: float = Field(25.0, gt=0, description="How long what was admitted may take to end at a stop.")
    probe_memory_mb: int = Field(4096, ge=64, description="Memory a bundle may use when it is tried before loading.")
    probe_seconds: float = Field(60.0, gt=0, description="How long a bundle may take then.")
    call_seconds: float = Field(10.0, gt=0, description="How long a call of a model in its own process may take.")
    per_key: float | None = Field(
        None, ge=1, description="Requests a second that one API key may make of each process; null: as many as come."
    )
    per_source: float | None = Field(
        None, ge=1, description="Requests a second that one address may make of each process; null: as many as come."
    )
    traces: str | None = Field(None, description="URL of an OpenTelemetry collector (OTLP/HTTP); null: no traces.")
    traces_share: float = Field(1.0, ge=0, le=1, description="Share of requests traced that no caller decided on.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        """Nobody on the way reads what other machines ask; whether they are known is said under security."""
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        if not is_loopback(self.host) and self.certificate is None and not self.behind_proxy:
            raise ValueError(
                f"to listen on {self.host}, beyond this machine, takes a certificate and private_key, or "
                "behind_proxy: true where a proxy ends TLS"
            )
        return self

    @property
    def scheme(self) -> str:
        """How the ports are asked."""
        return "http" if self.certificate is None else "https"

    @property
    def ports(self) -> dict[str, int]:
        """The ports that are wanted, by the setting that changes each."""
        named = {"server.port": self.port, "server.grpc_port": self.grpc_port, "server.metrics_port": self.metrics_port}
        return {setting: port for setting, port in named.items() if port is not None}


class OidcSettings(Section):
    """Signing in to the console at an OpenID provider."""

    issuer: str = Field(description="Address of the provider, exactly as it writes itself; https.")
    client_id: str = Field(min_length=1, description="The console's name there, and the audience of its tokens.")
    client_secret: SecretStr | None = Field(None, description="The console's secret there; null: a public client.")
    scopes: tuple[str, ...] = Field(("openid", "profile", "email"), description="What is asked for.")
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "ES384", "EdDSA"], ...] = Field(
        ("RS256", "ES256"), min_length=1, description="What tokens may be signed with; nothing else is taken."
    )
    claim: str = Field("groups", description="Claim whose values stand for roles.")
    roles: dict[str, tuple[Role, ...]] = Field(description="Roles by value of that claim; who has none is refused.")
    name_claim: str = Field("email", description="Claim that names the person in the audit record; or else sub.")
    address: str | None = Field(
        None, description="Where browsers find the console, as https://yard.example.org; null: as they call it."
    )

    @field_validator("issuer", "address")
    @classmethod
    def _safe(cls, address: str | None) -> str | None:
        """Nobody on the way may read or change what is said there."""
        if address is not None and not is_safe_address(address):
            raise ValueError("write an https address")
        return address

    @field_validator("scopes")
    @classmethod
    def _openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise ValueError("openid is among the scopes")
        return scopes


class ControlSettings(Section):
    """The control process, and the console with the control API."""

    host: str = Field("127.0.0.1", description="Address that the console and the control API listen on.")
    port: int | None = Field(
        8090, ge=1, le=65535, description="Port of the console and the control API; null: modelyard up starts none."
    )
    authentication: bool = Field(
        default=False,
        description="Ask for an API key, or a session that began with one, on every request to the console and the "
        "control API; false: whoever reaches it over loopback is the user that runs it.",
    )
    behind_proxy: bool = Field(
        default=False,
        description="A proxy in front ends TLS, and says whom it speaks for: X-Forwarded-For, X-Forwarded-Proto.",
    )
    oidc: OidcSettings | None = Field(None, description="Sign in at an OpenID provider, besides by API keys.")
    hosts: tuple[str, ...] = Field(
        (), description="Names, besides its address, under which browsers and clients may call the console."
    )
    per_key: float | None = Field(
        None, ge=1, description="Requests a second that one API key, or session, may make; null: as many as come."
    )
    per_source: float | None = Field(
        None, ge=1, description="Requests a second that one address may make; null: as many as come."
    )
    certificate: Path | None = Field(None, description="TLS certificate of the console (PEM, with its chain).")
    private_key: Path | None = Field(None, description="Private key of that certificate (PEM).")
    metrics_port: int | None = Field(
        8083, ge=1, le=65535, description="Port of /metrics of monitoring and alerts, on server.host; null: none."
    )
    every: Duration = Field(timedelta(seconds=5), description="Time between two looks of the control process.")
    lease: Duration = Field(
        timedelta(seconds=15),
        description="How long the leader of several control processes may be silent before another takes over.",
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        """What other machines can reach knows who asks, and nobody on the way reads it."""
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        if self.lease < timedelta(seconds=1):
            raise ValueError("a lease lasts a second at least")
        if self.behind_proxy and not self.authentication:
            raise ValueError("behind a proxy everybody comes from its address: behind_proxy takes authentication: true")
        if is_loopback(self.host):
            return self
        if not self.authentication:
            raise ValueError(f"to listen on {self.host}, beyond this machine, takes authentication: true")
        if self.certificate is None and not self.behind_proxy:
            raise ValueError(
                f"to listen on {self.host}, beyond this machine, takes a certificate and private_key, or "
                "behind_proxy: true where a proxy ends TLS"
            )
        return self

    @property
    def address(self) -> str | None:
        """Where the console is, for a browser; None without one."""
        if self.port is None:
            return None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.certificate is None else 'https'}://{host}:{self.port}"

    @property
    def ports(self) -> dict[str, int]:
        """The port for scrapes, by the setting that changes it; the console's stands on an address of its own."""
        return {} if self.metrics_port is None else {"control.metrics_port": self.metrics_port}


class SecuritySettings(Section):
    """Who may do what."""

    authentication: bool = Field(default=False, description="Ask for an API key on every request to the data plane.")
    python_bundles: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = Field(
        (), description="Digests of bundles whose pickles or Python code may run, in worker processes of their own."
    )

    python_signed: bool = Field(
        default=False, description="Let the Python of bundles run that the workspace's own key has signed."
    )
    signing_key: Path | None = Field(
        None, description="Private key (PEM) that signs; null: keys/signing.pem in the workspace, when it is there."
    )
    require_signed: bool = Field(default=False, description="Load only bundles that a trusted key has signed.")
    trusted_keys: tuple[str, ...] = Field(
        (),
        description="Public keys whose bundles are loaded: PEM files, PEM texts, or ids of keys in the workspace's "
        "folder keys; none: the workspace's own.",
    )
    audit_checkpoints: str | None = Field(
        None,
        description="Where signed checkpoints of the audit record go: a file, or an fsspec URL such as s3://…; null: "
        "audit-checkpoints.jsonl in the workspace.",
    )
    roles: dict[str, tuple[Role, ...]] = Field(
        {},
        description="Roles on the command line, by name of the operating-system user; who is not among them may look. "
        "None at all: everybody is an operator.",
    )
    approvals: dict[str, ApprovalRule] = Field(
        {},
        description="Approvals needed before a version may hold an alias, by alias or stage; none by default.",
    )
    outside_changes: OutsidePolicy = Field(
        "follow", description="What becomes of an alias or stage that a plain MLflow client moved: follow or refuse."
    )

    @field_validator("approvals")
    @classmethod
    def _by_alias(cls, rules: dict[str, ApprovalRule]) -> dict[str, ApprovalRule]:
        """Rules by alias, however a stage is spelled."""
        try:
            return {check_alias(name): rule for name, rule in rules.items()}
        except InvalidInput as error:
            raise ValueError(str(error)) from error

    @property
    def digests(self) -> tuple[Digest, ...]:
        """The bundles whose Python may run."""
        return tuple(map(Digest, self.python_bundles))


class PrivacySettings(Section):
    """Personal columns: what of them may be put on record, in every deployment."""

    columns: dict[str, Literal["hash", "truncate", "drop"]] = Field(
        {},
        description="Fields of requests and features, by name: hash and truncate change them before they are logged, "
        "drop leaves them out. Those that are features of a model are left out in any case.",
    )

    def declared(self, how: str) -> tuple[str, ...]:
        """The columns of which this is to become."""
        return tuple(name for name, each in self.columns.items() if each == how)


class RequestFieldSettings(Section):
    """One value that a client sends."""

    kind: Literal["number", "category"] = Field("number", description="Type of the value.")
    required: bool = Field(default=True, description="Whether a request without it is refused.")


class ModelSettings(Section):
    """A model: what it learns, from which features, and how a request becomes its input."""

    task: Literal["binary", "multiclass", "regression"] = Field(
        "binary",
        description="What is predicted: one of two classes, one of several, or a number. Pipelines train binary ones.",
    )
    label: str = Field(description="Column with the truth.")
    request: dict[str, RequestFieldSettings | Literal["number", "category"]] = Field(
        description="Fields the client sends, by name, with their kind; `v[0:384]` stands for `v0` to `v383`."
    )
    gate: dict[Annotated[str, Field(pattern=r"^(min|max)_[A-Za-z]")], float] = Field(
        {}, description="Limits of metrics that a version must keep to be registered, as min_auc or max_log_loss."
    )
    features: tuple[str, ...] = Field(
        (),
        description="Inputs in order: a request field, or view:feature from the feature definitions; `v[0:384]` stands "
        "for `v0` to `v383`.",
    )
    feature_service: str | None = Field(
        None, description="Feature service whose list the inputs are, instead of features."
    )
    owner: str = Field("", max_length=200, description="Who answers for it: a person or a team, for its model card.")
    intended_use: str = Field("", max_length=5000, description="What it is for, for its model card.")
    limits: tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...] = Field(
        (), description="What it is not for, and where it is known to fail; one sentence each, for its model card."
    )
    slices: tuple[str, ...] = Field(
        (), description="Columns of the rows it is judged on: evaluations measure each value, or quarter, on its own."
    )
    groups: tuple[str, ...] = Field(
        (), description="Columns that tell groups of people or things apart, to be treated alike: the fairness table."
    )

    @field_validator("request", mode="before")
    @classmethod
    def _each_field(cls, request: Any) -> Any:
        if not isinstance(request, dict):
            return request
        return {each: kind for name, kind in request.items() for each in _columns(name)}

    @field_validator("features", mode="before")
    @classmethod
    def _each_feature(cls, features: Any) -> Any:
        return (
            [each for name in features for each in _columns(name)] if isinstance(features, list | tuple) else features
        )

    @model_validator(mode="after")
    def _listed_once(self) -> Self:
        """The inputs stand in one place."""
        if bool(self.features) == (self.feature_service is not None):
            raise ValueError("a model has either features, the list of its inputs, or feature_service, which names one")
        return self


_SEVERAL = re.compile(r"(.+)\[(\d{1,5}):(\d{1,5})\]")
_MOST_COLUMNS = 10_000


def _columns(name: Any) -> list[Any]:
    """The columns that a name stands for: `v[0:3]` for `v0`, `v1` and `v2`, any other for itself."""
    several = _SEVERAL.fullmatch(name) if isinstance(name, str) else None
    if several is None:
        return [name]
    first, end = int(several[2]), int(several[3])
    if not 0 < end - first <= _MOST_COLUMNS:
        raise ValueError(f"'{name[:100]}' stands for no columns, or for more than {_MOST_COLUMNS:,}: write v[0:384]")
    return [f"{several[1]}{at}" for at in range(first, end)]

"""The `export` section of the project file."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from modelyard.core.settings import Section

Port = Annotated[int, Field(ge=1, le=65535)]
Cpu = Annotated[str, Field(pattern=r"^([0-9]+m|[0-9]+(\.[0-9]+)?)$")]
Memory = Annotated[str, Field(pattern=r"^[0-9]+(Mi|Gi)$")]


class PodSettings(Section):
    """What a pod asks for, and the most it may take."""

    cpu: Cpu = Field("500m", description="Processors asked for.")
    memory: Memory = Field("512Mi", description="Memory asked for; raised to what the bundle was measured to need.")
    cpu_limit: Cpu = Field("2", description="Processors it may take.")
    memory_limit: Memory = Field("2Gi", description="Memory it may take; raised with `memory`.")
    gpus: int = Field(0, ge=0, le=16, description="Graphics cards (nvidia.com/gpu) it is given.")


class ExportSettings(Section):
    """How the project looks outside: images, clusters, CI."""

    registry: str = Field(
        "registry.example.com",
        pattern=r"^[a-z0-9][a-z0-9.:/_-]*[a-z0-9]$",
        description="Registry of the images NAME-server and NAME-training.",
    )
    tag: str = Field("0.1.0", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", description="Tag of both images.")
    python: str = Field("3.11", pattern=r"^3\.(1[1-9]|[2-9][0-9])$", description="Python in the images, and in CI.")
    extras: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], ...] = Field(
        ("postgres", "s3"), description="Extras of Modelyard in the training image."
    )
    namespace: str | None = Field(
        None, pattern=r"^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$", description="Namespace; the project's name by default."
    )
    host: str | None = Field(
        None, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", description="Host name of the Ingress; null: none is made."
    )
    tls_secret: str | None = Field(None, description="Secret with the certificate of that host; null: no TLS there.")
    replicas: int = Field(3, ge=1, description="Servers to begin with.")
    min_replicas: int = Field(2, ge=1, description="The fewest that scaling leaves.")
    max_replicas: int = Field(10, ge=1, description="The most that scaling makes.")
    cpu_target: int = Field(70, ge=1, le=100, description="Percent of the processors asked for that scaling aims at.")
    requests_per_replica: int | None = Field(
        None, ge=1, description="Requests a second that a server should have; needs a metrics adapter. Null: no such."
    )
    server: PodSettings = Field(PodSettings(), description="What a server asks for.")
    training: PodSettings = Field(
        PodSettings(cpu="1", memory="2Gi", cpu_limit="4", memory_limit="8Gi", gpus=0),
        description="What a step of a pipeline asks for, unless it declares `resources`.",
    )
    egress_ports: tuple[Port, ...] = Field(
        (443, 5432, 6379), description="Ports of stores that pods may reach: HTTPS, PostgreSQL, Valkey."
    )
    logger_url: str | None = Field(
        None, pattern=r"^https?://", description="Where KServe sends copies of requests and answers; null: nowhere."
    )
    prometheus: str = Field(
        "http://prometheus.monitoring:9090",
        pattern=r"^https?://",
        description="Address of the Prometheus that Argo Rollouts and Flagger ask.",
    )
    schedule: str = Field("0 2 * * *", description="Cron (UTC) of scheduled training.")
    pipeline: str | None = Field(None, description="Pipeline of CI and schedules; the only one, or `training`.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min_replicas <= self.replicas <= self.max_replicas:
            told = f"{self.min_replicas} ≤ {self.replicas} ≤ {self.max_replicas}"
            raise ValueError(f"min_replicas ≤ replicas ≤ max_replicas does not hold: {told}")
        if self.tls_secret is not None and self.host is None:
            raise ValueError("tls_secret is of a host: set host")
        return self

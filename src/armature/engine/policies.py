"""Every number the platform can be tuned by, with its default and its bounds.

One struct per section of `platform/policies.yaml`. The engine and the edges are handed the section they need; nobody reads
a file or an environment variable on the way. A key that nothing reads is a lie: for each of them a test flips it and sees
the effect (tests/model).
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1)]
Days = Annotated[float, Meta(gt=0)]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A section of the policies; an unknown key in it is refused."""


class IdempotencyPolicy(Section, frozen=True):
    ttl_seconds: Seconds = 86_400.0
    """How long an answer can be replayed; longer than any client's last retry."""
    answer_bytes_max: Bytes = 65_536
    retry_after_seconds: Seconds = 1.0
    """What a twin is told when its deadline passed before the first call had a verdict."""


class CommandPolicy(Section, frozen=True):
    deadline_seconds: Seconds = 10.0
    reruns_max: Annotated[int, Meta(ge=0)] = 3
    hot_row_seconds: Seconds = 1.0
    """How long a row that cost a conflict keeps its queue (laws 5)."""
    turn_seconds: Seconds = 0.25
    """How long one command may hold the writer while it decides again."""
    unit_statements_max: Count = 500
    unit_bytes_max: Bytes = 1_048_576
    unit_rows_max: Count = 5_000


class QueryPolicy(Section, frozen=True):
    deadline_seconds: Seconds = 10.0
    position_wait_seconds: Seconds = 0.5
    """How long a reader waits for the position it sent (read your writes)."""
    loop_read_seconds: Seconds = 0.005
    """A statement that takes longer on the event loop moves to the reader threads for a minute."""
    reader_threads: Count = 4


class DatabasePolicy(Section, frozen=True):
    batch_units_max: Count = 256
    busy_seconds: Seconds = 5.0
    """How long the writer waits for another process that holds the file's write lock."""
    slow_statement_seconds: Seconds = 0.05
    synchronous: Literal["full", "normal", "extra"] = "full"


class HttpPolicy(Section, frozen=True):
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    prefix: str = "/v{version}"
    """Where a contract's routes live; `{version}` is the contract's."""
    aliases: dict[str, str] = field(default_factory=lambda: {"/health-check": "/livez", "/healthz": "/livez"})
    head_bytes_max: Bytes = 16_384
    head_fields_max: Count = 100
    url_bytes_max: Bytes = 8_192
    body_bytes_max: Bytes = 1_048_576
    head_seconds: Seconds = 10.0
    body_seconds: Seconds = 30.0
    body_bytes_per_second_min: Bytes = 1_024
    keep_alive_seconds: Seconds = 15.0
    requests_per_connection_max: Count = 100_000
    connections_max: Count = 10_000
    connections_per_address_max: Count = 1_000
    running_max: Count = 256
    waiting_max: Count = 512
    overload_retry_seconds: Seconds = 1.0
    drain_seconds: Seconds = 10.0
    """How long accepted requests may take to finish after SIGTERM."""
    drain_notice_seconds: Annotated[float, Meta(ge=0)] = 0.0
    """How long readiness says 503 before connections are refused, so that routers look away first."""
    compress_bytes_min: Bytes = 1_024
    cors_origins: list[str] = field(default_factory=list)
    trusted_proxies: list[str] = field(default_factory=list)
    """CIDRs whose X-Forwarded-For is believed; the right-most hop outside them is the caller."""
    development_identity: bool = True
    """Believe X-Actor, X-Roles and X-Tenant-ID. Refused in production."""
    error_details: bool = True
    """Show internals in error bodies. Refused in production."""
    admin_port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    """Where /metrics and /docs live in production; None keeps them on the main port."""


class ProjectionPolicy(Section, frozen=True):
    batch_events: Count = 500
    chunk_rows: Count = 1_000
    poll_seconds: Seconds = 0.2
    lag_slo_seconds: Seconds = 30.0
    """Readiness turns 503 when the oldest unapplied event is older than this."""
    head_check_seconds: Seconds = 10.0
    """How often the head itself is compared with the table, so that a frozen head is found."""
    park_after_attempts: Count = 3
    generation_keep_seconds: Seconds = 600.0


class RetentionPolicy(Section, frozen=True):
    sweep_seconds: Seconds = 60.0
    inbox_days: Days = 14.0
    log_days: Days = 30.0
    """Events older than this that every projection has passed move to the archive."""
    segment_events: Count = 50_000


class LimitPolicy(Section, frozen=True):
    default: str | None = None
    """A rate for every operation that declares none, as `100/minute`."""
    operations: dict[str, str] = field(default_factory=dict)
    """Rates by operation name (`counter.reset: 10/minute`); they win over the contract's."""
    keys_max: Count = 100_000


class OutboundPolicy(Section, frozen=True):
    timeout_seconds: Seconds = 10.0
    body_bytes_max: Bytes = 1_048_576
    attempts_max: Count = 3
    retry_ratio_max: Annotated[float, Meta(ge=0, le=1)] = 0.1
    breaker_failure_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    breaker_volume_min: Count = 20
    breaker_window_seconds: Seconds = 30.0
    breaker_open_seconds: Seconds = 10.0
    allow_hosts: list[str] = field(default_factory=list)
    """Hosts that may be private or plain http; everything else must be public and https."""


class ObservePolicy(Section, frozen=True):
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    access_log: Literal["none", "errors", "all"] = "errors"
    otlp_endpoint: str | None = None
    """Base address of an OTLP/HTTP collector; None exports nothing."""
    trace_ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Policies(Section, frozen=True):
    """All sections; the shape of `platform/policies.yaml`."""

    idempotency: IdempotencyPolicy = field(default_factory=IdempotencyPolicy)
    commands: CommandPolicy = field(default_factory=CommandPolicy)
    queries: QueryPolicy = field(default_factory=QueryPolicy)
    database: DatabasePolicy = field(default_factory=DatabasePolicy)
    http: HttpPolicy = field(default_factory=HttpPolicy)
    projections: ProjectionPolicy = field(default_factory=ProjectionPolicy)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    outbound: OutboundPolicy = field(default_factory=OutboundPolicy)
    observe: ObservePolicy = field(default_factory=ObservePolicy)
    roles: dict[str, list[str]] = field(default_factory=dict)
    """Permissions by role: `counter.reader: [counter:read]`."""

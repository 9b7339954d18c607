"""Every number the platform can be tuned by, with its default and its bounds.

One struct per section of `platform/policies.yaml`. The engine and the edges are handed the section they need; nobody reads
a file or an environment variable on the way. A key that nothing reads is a lie: for each of them a test flips it and sees
the effect (tests/model).
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

__all__ = [
    "CommandPolicy",
    "DatabasePolicy",
    "DeliveryPolicy",
    "GrpcPolicy",
    "HttpPolicy",
    "IdempotencyPolicy",
    "NeighbourPolicy",
    "ObservePolicy",
    "OutboundPolicy",
    "Policies",
    "PostgresPolicy",
    "ProjectionPolicy",
    "QueryPolicy",
    "RetentionPolicy",
    "Section",
]

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
    """The largest answer that is stored for replay; a command with a key that gives a larger one is refused."""
    retry_after_seconds: Seconds = 1.0
    """What a twin is told when its deadline passed before the first call had a verdict."""


class CommandPolicy(Section, frozen=True):
    deadline_seconds: Seconds = 10.0
    """How long a command may take unless its contract says otherwise; then 504."""
    reruns_max: Annotated[int, Meta(ge=0)] = 3
    """How often a command that lost a conflict runs again."""
    hot_row_seconds: Seconds = 0.1
    """How long a row that cost two conflicts within a second keeps its queue (laws 5)."""
    turn_seconds: Seconds = 0.25
    """How long one command may hold the writer while it decides again."""
    unit_statements_max: Count = 500
    """Statements in one unit of work; more is refused."""
    unit_bytes_max: Bytes = 1_048_576
    """Bytes of parameters in one unit of work; more is refused."""
    unit_rows_max: Count = 5_000
    """Rows that one unit of work may touch; more is refused."""


class QueryPolicy(Section, frozen=True):
    deadline_seconds: Seconds = 10.0
    """How long a query may take unless its contract says otherwise; then 504."""
    position_wait_seconds: Seconds = 0.5
    """How long a reader waits for the position it sent (read your writes)."""
    loop_read_seconds: Seconds = 0.005
    """A statement that takes longer on the event loop moves to the reader threads for a minute."""
    reader_threads: Count = 4
    """Threads for reads that are too slow for the event loop."""


class DatabasePolicy(Section, frozen=True):
    batch_units_max: Count = 256
    """Units of work that share one commit at most."""
    busy_seconds: Seconds = 5.0
    """How long the writer waits for another process that holds the file's write lock."""
    slow_statement_seconds: Seconds = 0.05
    """A statement that takes longer sends its operation to a lane of its own for a minute (laws 4)."""
    synchronous: Literal["full", "normal", "extra"] = "full"
    """SQLite's durability: only `full` and `extra` keep every acknowledged commit through a power cut."""


class PostgresPolicy(Section, frozen=True):
    read_connections: Count = 8
    """Connections of one process for reads, at most."""
    write_connections: Count = 8
    """Connections of one process for commits and turns, at most."""
    statement_seconds: Seconds = 10.0
    """The server ends a statement that takes longer."""
    lock_seconds: Seconds = 1.0
    """The server ends a statement that waits longer for somebody else's lock."""
    idle_in_transaction_seconds: Seconds = 30.0
    """The server ends a session that holds a transaction open and says nothing."""
    acquire_seconds: Seconds = 2.0
    """How long a call waits for a connection before it is told 503."""


class HttpPolicy(Section, frozen=True):
    host: str = "127.0.0.1"
    """The address that is listened on; 0.0.0.0 is all of this machine's."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    """The port that is listened on; 0 takes any free one."""
    prefix: str = "/v{version}"
    """Where a contract's routes live; `{version}` is the contract's."""
    aliases: dict[str, str] = field(default_factory=lambda: {"/health-check": "/livez", "/healthz": "/livez"})
    """Other paths of routes, by path: `/healthz: /livez`."""
    head_bytes_max: Bytes = 16_384
    """Size of a request's head; a larger one is refused with 431."""
    head_fields_max: Count = 100
    """Number of a request's header fields; more are refused with 431."""
    url_bytes_max: Bytes = 8_192
    """Size of a request's target; a larger one is refused with 414."""
    body_bytes_max: Bytes = 1_048_576
    """Size of a request's body unless the operation says otherwise; a larger one is refused with 413."""
    head_seconds: Seconds = 10.0
    """How long a request's head may take to arrive."""
    body_seconds: Seconds = 30.0
    """How long a request's body may take to arrive."""
    body_bytes_per_second_min: Bytes = 1_024
    """A body that arrives more slowly is given up."""
    keep_alive_seconds: Seconds = 15.0
    """How long a connection may wait for its next request."""
    requests_per_connection_max: Count = 100_000
    """After so many requests a connection is closed."""
    connections_max: Count = 10_000
    """Open connections at most; needs as many open files."""
    connections_per_address_max: Count = 1_000
    """Open connections of one address at most."""
    running_max: Count = 256
    """Requests that run at the same time."""
    waiting_max: Count = 512
    """Requests that wait for their turn; the rest is refused with 503."""
    overload_retry_seconds: Seconds = 1.0
    """The Retry-After of a request that is refused for overload."""
    streams_max: Count = 1_000
    """Open streams of live events of one process; more are refused with 503."""
    drain_seconds: Seconds = 10.0
    """How long accepted requests may take to finish after SIGTERM."""
    drain_notice_seconds: Annotated[float, Meta(ge=0)] = 0.0
    """How long readiness says 503 before connections are refused, so that routers look away first."""
    compress_bytes_min: Bytes = 1_024
    """Answers below this are sent uncompressed."""
    cors_origins: list[str] = field(default_factory=list)
    """The origins whose scripts may read answers, exactly as browsers send them."""
    trusted_proxies: list[str] = field(default_factory=list)
    """CIDRs whose X-Forwarded-For is believed; the right-most hop outside them is the caller."""
    development_identity: bool = True
    """Believe X-Actor, X-Roles and X-Tenant-ID. Refused in production."""
    error_details: bool = True
    """Show internals in error bodies. Refused in production."""
    admin_port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    """Where /metrics and /docs live in production; None keeps them on the main port."""
    health_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Where a process without role http answers /livez, /readyz and /metrics; 0 takes any free one."""


class GrpcPolicy(Section, frozen=True):
    host: str = "127.0.0.1"
    """The address that role grpc listens on; 0.0.0.0 is all of this machine's."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 9090
    """The port that is listened on; 0 takes any free one."""
    message_bytes_max: Bytes = 1_048_576
    """Size of a request's message unless an operation declares more; a larger one is refused with RESOURCE_EXHAUSTED."""
    metadata_bytes_max: Bytes = 16_384
    """Size of a request's metadata; more is refused with RESOURCE_EXHAUSTED."""
    calls_max: Count = 4_096
    """Calls that are open at the same time, streams included; more are refused with RESOURCE_EXHAUSTED."""
    calls_per_connection_max: Count = 1_000
    """Calls that are open on one connection; a client's further ones wait in the client."""
    ping_seconds_min: Seconds = 10.0
    """A client that pings an idle connection more often loses it."""
    connection_age_seconds: Seconds = 1_800.0
    """After so long a connection is asked to end, so that clients spread anew over what has been started since."""
    stream_age_seconds: Seconds = 900.0
    """After so long a stream of live events ends; the client asks again, and its permissions are looked at again."""
    reflection: bool = True
    """Show the services to tools that ask for them. Never in production."""
    tls_certificate: str | None = None
    """A PEM file with the certificate; with `tls_key`, the port takes TLS only. Both are read again when they change."""
    tls_key: str | None = None
    """A PEM file with the certificate's key."""


class ProjectionPolicy(Section, frozen=True):
    batch_events: Count = 500
    """Events that are folded in one commit at most; a rebuild takes as many as `chunk_rows`."""
    chunk_rows: Count = 1_000
    """Rows that one commit of a large fold changes at most."""
    poll_seconds: Seconds = 0.2
    """How often the log is looked at when no signal came."""
    lag_slo_seconds: Seconds = 30.0
    """Readiness turns 503 when the oldest unapplied event is older than this."""
    head_check_seconds: Seconds = 10.0
    """How often the head itself is compared with the table, so that a frozen head is found."""
    park_after_attempts: Count = 3
    """After so many failures of one event its stream is parked."""
    generation_keep_seconds: Seconds = 600.0
    """A generation is dropped when no live process has announced it for so long (laws 9)."""


class RetentionPolicy(Section, frozen=True):
    sweep_seconds: Seconds = 60.0
    """The rhythm of retention."""
    inbox_days: Days = 14.0
    """How long it is remembered that an event was handled."""
    log_days: Days = 30.0
    """Events older than this that every projection has passed move to the archive."""
    segment_events: Count = 50_000
    """Events in one file of the archive."""


class DeliveryPolicy(Section, frozen=True):
    lease_seconds: Seconds = 10.0
    """How long a role's turn lasts without a word from its holder; so long does a stand-by wait after a kill."""
    poll_seconds: Seconds = 0.1
    """How often sequencer, relay and reactor look for work that nobody told them of."""
    background_nice: Annotated[int, Meta(ge=0, le=19)] = 10
    """By how much a process that answers nobody lowers its priority, as the command `nice` does; 0 leaves it as it is."""
    number_events: Count = 2_000
    """The largest number of events that get their positions in one transaction."""
    window_events: Count = 500
    """The largest number of events that are on their way to the broker unacknowledged."""
    drain_events_per_second: Annotated[float, Meta(gt=0)] = 20_000.0
    """How fast what has piled up is published; a broker that comes back is not flooded."""
    backlog_max: Count = 10_000_000
    """Events that may wait for the broker; from there on commands that tell events answer 503, and everything else goes on."""
    broker_check_seconds: Seconds = 5.0
    """How often the broker is asked whether it still has what it acknowledged."""
    ack_seconds: Seconds = 30.0
    """How long an event may be in a consumer's hands before it is given to another; a living one asks for more."""
    attempts_max: Count = 5
    """How often a reaction is tried before its stream is parked."""
    retry_seconds: Seconds = 0.5
    """The pause after a reaction's first failure; it doubles with each further one, up to a minute."""


class LimitPolicy(Section, frozen=True):
    default: str | None = None
    """A rate for every operation that declares none, as `100/minute`."""
    operations: dict[str, str] = field(default_factory=dict)
    """Rates by operation name (`counter.reset: 10/minute`); they win over the contract's."""
    keys_max: Count = 100_000
    """Callers that are remembered per rate; beyond it, those that are full again are forgotten first."""


class OutboundPolicy(Section, frozen=True):
    timeout_seconds: Seconds = 10.0
    """How long one outbound call may take, inside the caller's deadline."""
    body_bytes_max: Bytes = 1_048_576
    """Size of an answer that is read; a larger one is refused."""
    attempts_max: Count = 3
    """Attempts of one call, the first included."""
    retry_ratio_max: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Retries as a share of calls to a host; beyond it nothing is retried."""
    breaker_failure_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Share of failures in the window at which a host's breaker opens."""
    breaker_volume_min: Count = 20
    """Calls in the window before a breaker judges."""
    breaker_window_seconds: Seconds = 30.0
    """The window that a breaker looks at."""
    breaker_open_seconds: Seconds = 10.0
    """How long an open breaker refuses before it lets one call try."""
    allow_hosts: list[str] = field(default_factory=list)
    """Hosts that may be private or plain http; everything else must be public and https."""


class NeighbourPolicy(Section, frozen=True):
    attempts_max: Count = 3
    """Attempts of one call to a module in another process, the first included; only where a second time changes nothing."""
    retry_ratio_max: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Retries as a share of calls to a module; beyond it nothing is retried."""
    running_max: Count = 256
    """Calls to one module in another process that are under way at once."""
    waiting_max: Annotated[int, Meta(ge=0)] = 1_024
    """Calls that wait for one of these places; more is refused with 503."""
    message_bytes_max: Bytes = 4_194_304
    """The largest message between two processes."""
    breaker_failure_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Share of failures in the window at which a module is left alone."""
    breaker_volume_min: Count = 20
    """Calls in the window before a breaker judges."""
    breaker_window_seconds: Seconds = 10.0
    """The window that a breaker looks at."""
    breaker_open_seconds: Seconds = 1.0
    """How long an open breaker refuses before it lets one call try."""


class ObservePolicy(Section, frozen=True):
    log_format: Literal["auto", "json", "text"] = "auto"
    """`auto` is text in a terminal and JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is written."""
    access_log: Literal["none", "errors", "all"] = "errors"
    """Which requests are logged: none, those that failed, or all."""
    otlp_endpoint: str | None = None
    """Base address of an OTLP/HTTP collector; None exports nothing."""
    trace_ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of new traces that are exported."""
    dependency_seconds: Seconds = 10.0
    """How often each server a process depends on is asked whether it is there."""


class Policies(Section, frozen=True):
    """All sections; the shape of `platform/policies.yaml`."""

    idempotency: IdempotencyPolicy = field(default_factory=IdempotencyPolicy)
    commands: CommandPolicy = field(default_factory=CommandPolicy)
    queries: QueryPolicy = field(default_factory=QueryPolicy)
    database: DatabasePolicy = field(default_factory=DatabasePolicy)
    postgres: PostgresPolicy = field(default_factory=PostgresPolicy)
    http: HttpPolicy = field(default_factory=HttpPolicy)
    grpc: GrpcPolicy = field(default_factory=GrpcPolicy)
    projections: ProjectionPolicy = field(default_factory=ProjectionPolicy)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    delivery: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    outbound: OutboundPolicy = field(default_factory=OutboundPolicy)
    neighbours: NeighbourPolicy = field(default_factory=NeighbourPolicy)
    observe: ObservePolicy = field(default_factory=ObservePolicy)
    roles: dict[str, list[str]] = field(default_factory=dict)
    """Permissions by role: `counter.reader: [counter:read]`."""

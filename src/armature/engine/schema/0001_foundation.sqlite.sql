-- The framework's own tables on SQLite. Autoincrement, because a plain row id comes back after retention has
-- deleted the highest one, and a position must never be used twice (laws 8).
create table armature_outbox (
    id             integer primary key autoincrement,
    event_id       blob    not null,
    type           text    not null,
    schema         integer not null,
    tenant_id      text    not null,
    stream         text    not null,
    stream_version integer,
    payload        text    not null,
    correlation_id text    not null,
    causation_id   text    not null,
    trace          text,
    actor          text    not null,
    subject        text,
    partition      integer not null,
    occurred_at    integer not null
) strict;

-- Backs every compare-and-set: two changes of one thing to one version cannot both be recorded (laws 8).
create unique index armature_outbox_stream on armature_outbox (tenant_id, stream, stream_version)
 where stream_version is not null;

create table armature_keys (
    tenant_id   text    not null,
    scope       blob    not null,
    fingerprint blob    not null,
    outcome     blob    not null,
    refused     integer not null,
    last_id     integer,
    expires_at  integer not null,
    primary key (tenant_id, scope)
) strict, without rowid;

create index armature_keys_expiry on armature_keys (expires_at);

create table armature_inbox (
    consumer text    not null,
    event_id blob    not null,
    taken_at integer not null,
    primary key (consumer, event_id)
) strict, without rowid;

create index armature_inbox_age on armature_inbox (taken_at);

-- One row per generation of a projection. The newest complete one of a process's own fingerprint is what it reads.
create table armature_generations (
    projection   text    not null,
    generation   integer not null,
    fingerprint  text    not null,
    tables       text    not null,
    state        text    not null check (state in ('building', 'live', 'retired')),
    target       integer not null,
    announced_at integer not null,
    primary key (projection, generation)
) strict, without rowid;

-- `position` is applied whole; `part` counts the statements already applied of the event after it. `version` grows with
-- each commit: of two projectors who decided on the same checkpoint one changes no row and looks again.
create table armature_checkpoints (
    projection text    not null,
    generation integer not null,
    shard      integer not null,
    position   integer not null,
    part       integer not null default 0,
    version    integer not null default 0,
    primary key (projection, generation, shard)
) strict, without rowid;

-- A stream whose event a fold could not take. Its later events wait here, by position, until somebody retries.
create table armature_parked (
    projection text    not null,
    generation integer not null,
    tenant_id  text    not null,
    stream     text    not null,
    position   integer not null,
    part       integer not null default 0,
    attempts   integer not null,
    reason     text    not null,
    parked_at  integer not null,
    primary key (projection, generation, tenant_id, stream)
) strict, without rowid;

-- Closed pieces of the log that live in files; a row appears only after its file is written, hashed and synced.
create table armature_segments (
    first_id integer not null primary key,
    last_id  integer not null,
    events   integer not null,
    file     text    not null,
    sha256   text    not null,
    closed_at integer not null
) strict;

-- Wishes of the command line to running roles: replay this, retry those.
create table armature_requests (
    id         integer primary key autoincrement,
    kind       text    not null check (kind in ('replay', 'retry')),
    subject    text    not null,
    stream     text    not null default '',
    state      text    not null default 'asked' check (state in ('asked', 'running', 'done', 'refused', 'withdrawn')),
    generation integer,
    detail     text    not null default '',
    asked_at   integer not null
) strict;

-- Which log this is: positions given out by another one, or before a restore, are refused (laws 8).
create table armature_log (
    one   integer not null primary key check (one = 1),
    log   text    not null,
    epoch integer not null
) strict;

insert into armature_log (one, log, epoch) values (1, lower(hex(randomblob(8))), 1);

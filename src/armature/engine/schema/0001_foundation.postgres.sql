-- The framework's own tables on PostgreSQL. An event is born without a position: the order of ids is the order of nextval and
-- not of commits, so a sequencer numbers what it sees committed (laws 8).
create table armature_outbox (
    id             bigint generated always as identity (cache 1) primary key,
    position       bigint,
    event_id       uuid        not null,
    type           text        not null,
    schema         integer     not null,
    tenant_id      text        not null,
    stream         text        not null,
    stream_version bigint,
    payload        text        not null,
    correlation_id text        not null,
    causation_id   text        not null,
    trace          text,
    actor          text        not null,
    subject        text,
    partition      smallint    not null,
    occurred_at    timestamptz not null
) with (fillfactor = 80);

create unique index armature_outbox_position on armature_outbox (position) where position is not null;

-- What is waiting for its number; short, because the sequencer empties it.
create index armature_outbox_unnumbered on armature_outbox (id) where position is null;

-- Backs every compare-and-set: two changes of one thing to one version cannot both be recorded (laws 8).
create unique index armature_outbox_stream on armature_outbox (tenant_id, stream, stream_version)
 where stream_version is not null;

-- The last position given out. Its row lock is what makes sequencers take turns.
create table armature_head (
    one  smallint not null primary key check (one = 1),
    last bigint   not null
) with (fillfactor = 50);

insert into armature_head (one, last) values (1, 0);

create table armature_keys (
    tenant_id   text        not null,
    scope       bytea       not null,
    fingerprint bytea       not null,
    outcome     bytea       not null,
    refused     boolean     not null,
    last_id     bigint,
    expires_at  timestamptz not null,
    primary key (tenant_id, scope)
);

create index armature_keys_expiry on armature_keys (expires_at);

create table armature_inbox (
    consumer text        not null,
    event_id uuid        not null,
    taken_at timestamptz not null,
    primary key (consumer, event_id)
);

create index armature_inbox_age on armature_inbox (taken_at);

-- One row per generation of a projection. The newest complete one of a process's own fingerprint is what it reads.
create table armature_generations (
    projection   text        not null,
    generation   bigint      not null,
    fingerprint  text        not null,
    tables       text        not null,
    state        text        not null check (state in ('building', 'live', 'retired')),
    target       bigint      not null,
    announced_at timestamptz not null,
    primary key (projection, generation)
);

-- `position` is applied whole; `part` counts the statements already applied of the event after it. `version` grows with
-- each commit: of two projectors who decided on the same checkpoint one changes no row and looks again.
create table armature_checkpoints (
    projection text   not null,
    generation bigint not null,
    shard      bigint not null,
    position   bigint not null,
    part       bigint not null default 0,
    version    bigint not null default 0,
    primary key (projection, generation, shard)
) with (fillfactor = 50);

-- A stream whose event a fold could not take. Its later events wait here, by position, until somebody retries.
create table armature_parked (
    projection text        not null,
    generation bigint      not null,
    tenant_id  text        not null,
    stream     text        not null,
    position   bigint      not null,
    part       bigint      not null default 0,
    attempts   bigint      not null,
    reason     text        not null,
    parked_at  timestamptz not null,
    primary key (projection, generation, tenant_id, stream)
);

-- Closed pieces of the log that live in files; a row appears only after its file is written, hashed and synced.
create table armature_segments (
    first_id  bigint      not null primary key,
    last_id   bigint      not null,
    events    bigint      not null,
    file      text        not null,
    sha256    text        not null,
    closed_at timestamptz not null
);

-- Wishes of the command line to running roles: replay this, retry those.
create table armature_requests (
    id         bigint generated always as identity primary key,
    kind       text        not null check (kind in ('replay', 'retry')),
    subject    text        not null,
    stream     text        not null default '',
    state      text        not null default 'asked' check (state in ('asked', 'running', 'done', 'refused', 'withdrawn')),
    generation bigint,
    detail     text        not null default '',
    asked_at   timestamptz not null
);

-- Which log this is: positions given out by another one, or before a restore, are refused (laws 8).
create table armature_log (
    one   smallint not null primary key check (one = 1),
    log   text     not null,
    epoch bigint   not null
);

insert into armature_log (one, log, epoch) values (1, substr(replace(gen_random_uuid()::text, '-', ''), 1, 16), 1);

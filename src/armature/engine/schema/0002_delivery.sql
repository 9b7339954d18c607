-- What carries events out of the log: who may do a thing now, how far each sink and each consumer is, and what had to be set aside.

-- One holder at a time. The term grows with every change of hands, and every write of the holder names it: a holder that slept
-- through the end of its lease writes nothing. `expires_at` is microseconds of the database's clock, the only one that counts.
create table armature_leases (
    name       text   not null primary key,
    holder     text   not null,
    term       bigint not null,
    expires_at bigint not null
);

-- How far the log has been copied to a sink. Everything up to `position` was acknowledged or is in quarantine; `broker` is which
-- store that was, and `broker_last` the least that its newest message may be numbered, unless it has lost some.
create table armature_cursors (
    sink        text   not null primary key,
    log         text   not null,
    epoch       bigint not null,
    position    bigint not null,
    broker      text   not null,
    broker_last bigint not null,
    term        bigint not null
);

-- Events that no broker can take, and what waits behind them in their streams.
create table armature_quarantine (
    sink           text        not null,
    position       bigint      not null,
    tenant_id      text        not null,
    stream         text        not null,
    event_id       uuid        not null,
    type           text        not null,
    reason         text        not null,
    quarantined_at timestamptz not null,
    primary key (sink, position)
);

-- Every consumer there is. What is recorded up to `position` needs it no more; it began after `started`.
create table armature_consumers (
    consumer text   not null primary key,
    log      text   not null,
    epoch    bigint not null,
    started  bigint not null,
    position bigint not null
);

-- How far a consumer is in a stream that counts its versions: constant space, kept for ever, and what puts repeats in order.
create table armature_consumed (
    consumer  text   not null,
    tenant_id text   not null,
    stream    text   not null,
    version   bigint not null,
    position  bigint not null,
    primary key (consumer, tenant_id, stream)
);

-- A stream whose event a consumer could not take. Its later events wait in the log, from `position` on, until somebody retries.
-- `waiting` is the newest one that was delivered meanwhile: the row is taken away only by who has applied that one too.
create table armature_dead_letters (
    consumer  text        not null,
    tenant_id text        not null,
    stream    text        not null,
    position  bigint      not null,
    waiting   bigint      not null,
    event_id  uuid        not null,
    type      text        not null,
    attempts  bigint      not null,
    reason    text        not null,
    parked_at timestamptz not null,
    primary key (consumer, tenant_id, stream)
);

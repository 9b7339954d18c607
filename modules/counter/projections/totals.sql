create table counter_totals (
    tenant_id text   not null primary key,
    counters  bigint not null,
    value     bigint not null,
    changes   bigint not null
);

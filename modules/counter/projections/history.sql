create table counter_history (
    tenant_id  text        not null,
    counter_id uuid        not null,
    version    bigint      not null,
    operation  text        not null,
    value      bigint      not null,
    at         timestamptz not null,
    primary key (tenant_id, counter_id, version)
);

create table counter_counters (
    tenant_id text   not null,
    id        uuid   not null,
    name      text   not null,
    note      text,
    value     bigint not null,
    version   bigint not null,
    primary key (tenant_id, id)
);

-- Named, because its refusal has a name: module.py maps it to counter:name_taken.
create unique index counter_name_taken on counter_counters (tenant_id, name);

create index counter_by_value on counter_counters (tenant_id, value);

create table shelf_load (
    tenant_id text   not null,
    weight    bigint not null,
    primary key (tenant_id)
);

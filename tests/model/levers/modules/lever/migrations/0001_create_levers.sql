create table lever_levers (
    tenant_id text   not null,
    id        uuid   not null,
    note      text   not null,
    version   bigint not null,
    primary key (tenant_id, id)
);

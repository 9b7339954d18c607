create table lever_lines (
    tenant_id text   not null,
    lever_id  uuid   not null,
    version   bigint not null,
    number    bigint not null,
    primary key (tenant_id, lever_id, version, number)
);

create table clerk_notes (
    tenant_id text   not null,
    id        uuid   not null,
    text      text   not null,
    version   bigint not null,
    primary key (tenant_id, id)
);

create table shelf_boxes (
    tenant_id text   not null,
    id        uuid   not null,
    weight    bigint not null,
    version   bigint not null,
    primary key (tenant_id, id)
);

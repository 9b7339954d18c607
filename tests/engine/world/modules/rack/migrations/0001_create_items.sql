create table rack_items (
    tenant_id text   not null,
    id        uuid   not null,
    name      text   not null,
    size      bigint not null,
    version   bigint not null,
    primary key (tenant_id, id)
);
create unique index rack_name_taken on rack_items (tenant_id, name);

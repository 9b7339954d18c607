create table pier_crates (
    tenant_id text not null,
    id        uuid not null,
    note      text not null,
    primary key (tenant_id, id)
);

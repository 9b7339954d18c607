create table lever_strict (
    tenant_id text   not null primary key,
    pulls     bigint not null
);

create table errand_errands (
    tenant_id text    not null,
    id        uuid    not null,
    done      boolean not null,
    version   bigint  not null,
    primary key (tenant_id, id)
);

-- One row for each time the reaction ran; the id is its own, so that a second run would show.
create table errand_runs (
    tenant_id text not null,
    id        uuid not null,
    errand_id uuid not null,
    primary key (tenant_id, id)
);

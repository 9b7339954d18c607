-- One row for each time the reaction ran; the id is its own, so that a second run would show.
create table tally_notes (
    tenant_id  text   not null,
    id         uuid   not null,
    counter_id uuid   not null,
    counted    bigint not null,
    primary key (tenant_id, id)
);

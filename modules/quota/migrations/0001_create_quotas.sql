create table quota_limits (
    tenant_id  text   not null,
    counter_id uuid   not null,
    allowed    bigint not null,
    used       bigint not null,
    reserved   bigint not null,
    since      bigint not null,
    version    bigint not null,
    primary key (tenant_id, counter_id)
);

create table quota_reservations (
    tenant_id  text        not null,
    counter_id uuid        not null,
    id         uuid        not null,
    amount     bigint      not null,
    held       bigint      not null,
    expires_at timestamptz not null,
    primary key (tenant_id, counter_id, id)
);

create index quota_by_expiry on quota_reservations (tenant_id, counter_id, expires_at);

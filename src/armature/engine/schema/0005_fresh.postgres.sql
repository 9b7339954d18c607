-- What a commit writes into the framework's own tables where it is sure that every key is free, as nearly always: one that is not
-- fails as a duplicate, and the batch goes the way of `armature_commit`, where twins and expired answers are told apart. Doing so
-- here for every batch was a fifth of this function's time.
--
-- Units that have lost before this was called are left out, though they are among the arguments: `alive` numbers the others. Those of
-- them whose key is there are told, for theirs may be an answer instead of a loss.
--
-- Keys are inserted in their order, so that two batches cannot wait for each other in a circle. Each id is drawn in the order of
-- the events, so that a key can remember the last one of its unit. It looks at the role that calls: a module tells only its own
-- events.
--
-- Execute is granted to every lane (and revoked from public).
create function armature_commit_fresh(
    key_tenants text[], key_scopes bytea[], key_fingerprints bytea[], key_outcomes bytea[], key_refused boolean[],
    key_expires timestamptz[],
    key_lasts integer[], -- the place of the unit's last event in the arrays below, from 1; null: it tells nothing
    event_ids uuid[], event_types text[], event_schemas integer[], event_tenants text[], event_streams text[],
    event_versions bigint[], event_payloads text[], event_correlations text[], event_causations text[], event_traces text[],
    event_actors text[], event_subjects text[], event_partitions smallint[], event_moments timestamptz[],
    key_units integer[], event_units integer[], -- whose they are
    alive integer[], -- null: all of them
    out ids bigint[], out known integer[]
)
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    lane constant text := current_setting('role');
    -- `armature_<hash of ten>_<module>`; whoever runs without roles, or is the framework itself, is not asked.
    module constant text := case when lane ~ '^armature_[0-9a-f]{10}_' then nullif(substr(lane, 21), 'armature') end;
    foreign_type text;
begin
    ids := '{}';
    -- Mostly all events are of one type.
    foreign_type := event_types[1];
    if event_types <> array_fill(foreign_type, array[cardinality(event_types)]) then
        select t into foreign_type from unnest(event_types) t order by split_part(t, '.', 1) = module limit 1;
    end if;
    if split_part(foreign_type, '.', 1) <> module then
        raise insufficient_privilege using message = format('module %s may not tell %s', module, foreign_type);
    end if;

    for n in 1 .. cardinality(event_ids) loop
        ids[n] := nextval('armature_outbox_id_seq');
    end loop;

    if cardinality(key_scopes) > 0 then
        insert into armature_keys (tenant_id, scope, fingerprint, outcome, refused, last_id, expires_at)
        select k.tenant_id, k.scope, k.fingerprint, k.outcome, k.refused, ids[k.last], k.expires_at
          from unnest(key_tenants, key_scopes, key_fingerprints, key_outcomes, key_refused, key_expires, key_lasts, key_units)
            as k (tenant_id, scope, fingerprint, outcome, refused, expires_at, last, unit)
         where alive is null or k.unit = any (alive)
         order by k.tenant_id, k.scope;
    end if;

    insert into armature_outbox (id, event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id,
                                 causation_id, trace, actor, subject, partition, occurred_at)
    overriding system value
    select e.id, e.event_id, e.type, e.schema, e.tenant_id, e.stream, e.stream_version, e.payload, e.correlation_id,
           e.causation_id, e.trace, e.actor, e.subject, e.partition, e.occurred_at
      from unnest(ids, event_ids, event_types, event_schemas, event_tenants, event_streams, event_versions, event_payloads,
                  event_correlations, event_causations, event_traces, event_actors, event_subjects, event_partitions,
                  event_moments, event_units)
        as e (id, event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id, trace, actor,
              subject, partition, occurred_at, unit)
     where alive is null or e.unit = any (alive);

    if alive is not null then
        known := array(select k.unit from unnest(key_tenants, key_scopes, key_units) as k (tenant_id, scope, unit)
                        where k.unit <> all (alive)
                          and exists (select from armature_keys a where a.tenant_id = k.tenant_id and a.scope = k.scope));
    end if;
end
$$;

revoke execute on function armature_commit_fresh from public;

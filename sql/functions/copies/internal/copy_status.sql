-- pgevents.copy_status(): what status() reports about copies.
-- Parameters: none.
-- Returns:    a JSON object: role, publication, slots, subscription, warnings, as in status().
-- Errors:     none.
-- Tables:     none.
-- pg_stat_subscription_stats exists since PostgreSQL 15: hence EXECUTE. Before that, an owner who is no superuser
-- cannot read pg_subscription.oid: hence the view.
CREATE OR REPLACE FUNCTION pgevents.copy_status() RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
  is_standby  boolean := pg_is_in_recovery();
  role        text := CASE WHEN pgevents.is_fed() THEN 'copy' WHEN is_standby THEN 'standby' ELSE 'primary' END;
  wal_end     pg_lsn := CASE WHEN is_standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END;
  publication jsonb;
  slots       jsonb;
  feed        jsonb;
  errors      jsonb;
BEGIN
  SELECT jsonb_build_object('missing', coalesce(jsonb_agg(t.name ORDER BY t.name) FILTER (WHERE r.prrelid IS NULL
           AND NOT p.puballtables), '[]')) INTO publication
    FROM pg_publication p CROSS JOIN unnest(pgevents.copied_tables()) t (name)
    LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = format('pgevents.%I', t.name)::regclass
   WHERE p.pubname = 'pgevents' GROUP BY p.oid;
  SELECT jsonb_agg(jsonb_build_object('name', s.slot_name, 'active', s.active,
           'behind_bytes', greatest(wal_end - s.confirmed_flush_lsn, 0),
           'retained_bytes', greatest(wal_end - s.restart_lsn, 0), 'wal_status', s.wal_status) ORDER BY s.slot_name)
    INTO slots
    FROM pg_replication_slots s
   WHERE s.database = current_database() AND s.plugin = 'pgoutput' AND NOT s.temporary;
  SELECT jsonb_build_object('id', w.subid::bigint, 'name', s.subname, 'enabled', s.subenabled, 'pid', w.pid,
           'seconds', round(date_part('epoch', clock_timestamp() - w.last_msg_receipt_time)::numeric, 1),
           'received', w.received_lsn, 'copying', t.copying, 'missing', t.missing)
    INTO feed
    FROM pg_subscription_rel l
    JOIN pg_stat_subscription w ON w.subid = l.srsubid AND w.relid IS NULL
    JOIN pg_subscription s ON s.subname = w.subname
     AND s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_agg(c.name ORDER BY c.name) FILTER (WHERE r.srsubstate <> 'r'), '[]') AS copying,
             coalesce(jsonb_agg(c.name ORDER BY c.name) FILTER (WHERE r.srrelid IS NULL), '[]') AS missing
        FROM unnest(pgevents.copied_tables()) c (name)
        LEFT JOIN pg_subscription_rel r ON r.srrelid = format('pgevents.%I', c.name)::regclass) t
   WHERE l.srrelid = 'pgevents.log'::regclass
   ORDER BY w.last_msg_receipt_time DESC NULLS LAST LIMIT 1;
  IF feed IS NOT NULL AND to_regclass('pg_catalog.pg_stat_subscription_stats') IS NOT NULL THEN
    EXECUTE 'SELECT jsonb_build_object(''apply_errors'', e.apply_error_count, ''sync_errors'', e.sync_error_count)
               FROM pg_catalog.pg_stat_subscription_stats e WHERE e.subid = $1' INTO errors
      USING (feed ->> 'id')::bigint::oid;
    feed := feed || coalesce(errors, '{}');
  END IF;
  RETURN jsonb_build_object('role', role, 'publication', publication, 'slots', coalesce(slots, '[]'),
    'subscription', feed - 'id', 'warnings', pgevents.copy_warnings(role, publication, slots, feed));
END
$$;

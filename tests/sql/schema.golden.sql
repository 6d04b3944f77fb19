CREATE SCHEMA pgevents;
COMMENT ON SCHEMA pgevents IS 'Real-time events from committed transactions';
CREATE FUNCTION pgevents.answer(VARIADIC members text[]) RETURNS json
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT ('{' || array_to_string(members, ',') || '}')::json
$$;
CREATE FUNCTION pgevents.append(channel text, type text, data json, expires_at timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  new_id bigint;
BEGIN
  PERFORM pgevents.append_lock();
  new_id := nextval('pgevents.log_id_seq');
  INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
    VALUES (new_id, append.channel, clock_timestamp(), append.type, append.data, append.expires_at);
  PERFORM pg_notify('pgevents', '');
  RETURN new_id;
END
$$;
CREATE FUNCTION pgevents.append_lock() RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  nothing text := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
BEGIN
  PERFORM pgevents.check_generation();
  IF NOT pgevents.is_settled() THEN
    PERFORM pgevents.turn_follows(true);
  END IF;
END
$$;
CREATE FUNCTION pgevents.become_copy(conninfo text, version integer DEFAULT NULL::integer, slot text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  here  int := (SELECT v.version FROM pgevents.schema_version() v);
  owner text := (SELECT c.relowner::regrole FROM pg_class c WHERE c.oid = 'pgevents.log'::regclass);
  name  text;
BEGIN
  PERFORM pgevents.copy_owner();
  IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
     AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'pg_create_subscription'
                      AND pg_has_role(r.oid, 'USAGE') AND has_database_privilege(current_database(), 'CREATE')) THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN', format('%s may not subscribe: that needs a superuser, or from '
      'PostgreSQL 16 on a member of pg_create_subscription with CREATE on the database', current_user));
  ELSIF version <> here THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', format('The schema version of the primary is %s, that of this '
      'database is %s: run the newer install.sql on the other one first', version, here));
  ELSIF NOT pgevents.is_fed() THEN
    LOCK TABLE pgevents.staging, pgevents.staging_rest IN SHARE ROW EXCLUSIVE MODE;
    FOREACH name IN ARRAY pgevents.copied_tables() || ARRAY['ready'] LOOP
      EXECUTE format('SELECT %L FROM pgevents.%I HAVING count(*) > 0', name, name) INTO name;
      IF name IS NOT NULL THEN
        PERFORM pgevents.raise_error(409, 'CONFLICT', format('Something was published here: pgevents.%s has rows. '
          'A copy begins with an empty schema', name));
      END IF;
    END LOOP;
  END IF;
  IF NOT EXISTS (SELECT FROM pgevents.copy_mark) THEN
    INSERT INTO pgevents.copy_mark DEFAULT VALUES;
    PERFORM pgevents.copy_guard(true);
    DROP SEQUENCE pgevents.generation_seen;
    CREATE SEQUENCE pgevents.generation_seen AS bigint;
    EXECUTE format('ALTER SEQUENCE pgevents.generation_seen OWNER TO %s', owner);
  END IF;
  IF EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = 'pgevents.log'::regclass) THEN
    RETURN NULL;
  END IF;
  name := coalesce(slot, concat_ws('_', 'pgevents', (SELECT c.system_identifier FROM pg_control_system() c),
    (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())));
  IF slot IS NULL THEN
    RETURN format('CREATE SUBSCRIPTION pgevents CONNECTION %L PUBLICATION pgevents WITH (slot_name = %L)',
      conninfo, name);
  END IF;
  EXECUTE format('CREATE SUBSCRIPTION pgevents CONNECTION %L PUBLICATION pgevents '
    'WITH (create_slot = false, slot_name = %L)', conninfo, name);
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.become_shard(number integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  width   CONSTANT bigint := pgevents.shard_width();
  first   CONSTANT bigint := number * width;
  head    bigint;
  last_id bigint;
BEGIN
  PERFORM pgevents.copy_owner();
  PERFORM pgevents.primary_only();
  IF number IS NULL OR number NOT BETWEEN 1 AND 89 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'The number of a shard is 1 to 89');
  END IF;
  PERFORM pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  PERFORM pgevents.check_generation();
  head := pgevents.head();
  last_id := greatest(head, (SELECT s.last_value FROM pgevents.log_id_seq s));
  IF last_id / width = number THEN
    RETURN first;
  ELSIF last_id > first THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT',
      format('This log is shard %s already, and ids never go back', last_id / width));
  END IF;
  PERFORM pgevents.begin_generation(first, head, pgevents.generation_place());
  RETURN first;
END
$$;
CREATE FUNCTION pgevents.begin_generation(first bigint, after bigint, place text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (first, after, place);
  PERFORM setval('pgevents.log_id_seq', first);
  INSERT INTO pgevents.log (id, channel_id, ts, type, data)
    VALUES (first, 'pgevents.control', clock_timestamp(), 'pgevents.generation', json_build_object('after', after));
  PERFORM pg_notify('pgevents', '');
END
$$;
CREATE FUNCTION pgevents.caller(identity jsonb, OUT realm text, OUT user_id text, OUT is_bot boolean, OUT presence_enabled boolean, OUT send_private_typing_notifications boolean, OUT send_stream_typing_notifications boolean, OUT receives_typing_notifications boolean) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  known record;
BEGIN
  user_id := identity ->> 'user';
  realm := coalesce(nullif(identity ->> 'realm', ''), 'main');
  IF coalesce(user_id, '') = '' THEN
    PERFORM pgevents.raise_error(401, 'UNAUTHORIZED', 'Authentication required');
  END IF;
  PERFORM pgevents.primary_only();
  known := pgevents.directory_user(realm, user_id);
  IF NOT known.is_known THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'No such user');
  END IF;
  is_bot := known.is_bot;
  presence_enabled := known.presence_enabled;
  send_private_typing_notifications := known.send_private_typing_notifications;
  send_stream_typing_notifications := known.send_stream_typing_notifications;
  receives_typing_notifications := known.receives_typing_notifications;
END
$$;
CREATE FUNCTION pgevents.change_settings(realm text, user_id text, changes jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE pgevents.users u SET
    presence_enabled = coalesce((changes -> 'presence_enabled')::boolean, u.presence_enabled),
    send_private_typing_notifications =
      coalesce((changes -> 'send_private_typing_notifications')::boolean, u.send_private_typing_notifications),
    send_stream_typing_notifications =
      coalesce((changes -> 'send_stream_typing_notifications')::boolean, u.send_stream_typing_notifications),
    receives_typing_notifications =
      coalesce((changes -> 'receives_typing_notifications')::boolean, u.receives_typing_notifications)
   WHERE u.realm = change_settings.realm AND u.user_id = change_settings.user_id;
END
$$;
CREATE FUNCTION pgevents.channel_kind(realm text, channel text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  RETURN CASE
    WHEN pgevents.channel_matches(channel, pgevents.channel_name('presence', '8703261547', NULL))
      OR channel = pgevents.channel_name('presence', realm, NULL) THEN 'presence'
    WHEN pgevents.channel_matches(channel, pgevents.channel_name('user', 'main', '8794215063'))
      OR pgevents.channel_matches(channel, pgevents.channel_name('user', '8703261547', '8794215063')) THEN 'user'
    WHEN pgevents.channel_matches(channel, pgevents.channel_name('stream', NULL, '8794215063')) THEN 'stream' END;
END
$$;
CREATE FUNCTION pgevents.channel_matches(channel text, template text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
  SELECT coalesce(template !~ '^87[0-9]{8}$' AND channel LIKE
    regexp_replace(regexp_replace(template, E'([\\\\%_])', E'\\\\\\1', 'g'), '87[0-9]{8}', '_%', 'g'), false)
$_$;
CREATE FUNCTION pgevents.channel_name(kind text, realm text, id text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  RETURN CASE kind
    WHEN 'presence' THEN pgevents.presence_channel(realm)
    WHEN 'user' THEN pgevents.user_channel(realm, id)
    ELSE pgevents.stream_channel(id) END;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.channel_value(value text, name text DEFAULT 'value'::text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
  IF value COLLATE "C" ~ '^[A-Za-z0-9_-]{0,255}$' THEN
    RETURN value;
  ELSIF value IS NULL OR octet_length(value) > 255 THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('No channel can be made of %I: it is %s', name,
                       CASE WHEN value IS NULL THEN 'NULL' ELSE 'longer than 255 bytes' END);
  END IF;
  RETURN (SELECT string_agg(CASE WHEN c.letter COLLATE "C" ~ '[A-Za-z0-9_-]' THEN c.letter ELSE
             regexp_replace(upper(encode(convert_to(c.letter, 'UTF8'), 'hex')), '(..)', E'%\\1', 'g') END, ''
             ORDER BY c.n)
            FROM unnest(string_to_array(value, NULL)) WITH ORDINALITY c (letter, n));
END
$_$;
CREATE FUNCTION pgevents.check_generation() RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  here   text;
  there  text;
  head   bigint;
  next   bigint;
  is_new boolean := true;
BEGIN
  IF pgevents.generation_is_checked() THEN
    RETURN;
  END IF;
  PERFORM pgevents.primary_only();
  here := pgevents.generation_place();
  SELECT g.place INTO there FROM pgevents.generations g ORDER BY g.first_id DESC LIMIT 1;
  IF NOT FOUND THEN
    INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (1, 0, here) ON CONFLICT DO NOTHING;
    INSERT INTO pgevents.crash_mark DEFAULT VALUES ON CONFLICT DO NOTHING;
  ELSIF here <> there OR NOT EXISTS (SELECT FROM pgevents.crash_mark) THEN
    head := pgevents.head();
    next := pgevents.generation_start(greatest(head, (SELECT s.last_value FROM pgevents.log_id_seq s)));
    DELETE FROM pgevents.crash_mark;
    INSERT INTO pgevents.crash_mark DEFAULT VALUES ON CONFLICT DO NOTHING;
    PERFORM pgevents.begin_generation(next, head, here);
  ELSE
    is_new := false;
  END IF;
  IF is_new THEN
    PERFORM setval('pgevents.ready_low', 1);
    IF pg_sequence_last_value('pgevents.ready_n'::regclass) < (SELECT max(r.n) FROM pgevents.ready r) THEN
      PERFORM setval('pgevents.ready_n', (SELECT max(r.n) FROM pgevents.ready r));
    END IF;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = 'pgevents.crash_mark'::regclass
                    AND l.mode = 'RowExclusiveLock') THEN
    PERFORM nextval('pgevents.generation_seen'),
      set_config('pgevents.generation_checked', 'pgevents.generation_seen'::regclass::oid::text, false);
  END IF;
END
$$;
CREATE FUNCTION pgevents.check_user(user_id text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
  IF NOT pgevents.name_is_sane(user_id) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid user_id: 1 to 255 bytes, no control characters');
  END IF;
END
$$;
CREATE FUNCTION pgevents.client_timings() RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT pgevents.json_members(row_to_json(t)) FROM (SELECT
    pgevents.timing_ms('typing_started_expiry') AS server_typing_started_expiry_period_milliseconds,
    pgevents.timing_ms('typing_started_wait') AS server_typing_started_wait_period_milliseconds,
    pgevents.timing_ms('typing_stopped_wait') AS server_typing_stopped_wait_period_milliseconds,
    pgevents.timing_seconds('presence_ping_interval') AS server_presence_ping_interval_seconds,
    pgevents.timing_seconds('presence_offline_threshold') AS server_presence_offline_threshold_seconds) t
$$;
CREATE FUNCTION pgevents.complain(setting text, message text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF (SELECT s.value FROM pgevents.settings s WHERE s.name = setting) = 'warning' THEN
    RAISE WARNING USING MESSAGE = complain.message,
      HINT = format('This becomes an error when the setting "%s" of pgevents.settings is "error".', setting);
  ELSE
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', complain.message);
  END IF;
END
$$;
CREATE FUNCTION pgevents.connections_write(reports jsonb, holder bigint, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  at        timestamptz := clock_timestamp();
  lease_end timestamptz := until + pgevents.timing('presence_lease');
BEGIN
  INSERT INTO pgevents.connections AS old (realm, user_id, holder, until, left_at)
    SELECT c.realm, c.user_id, connections_write.holder, lease_end, CASE WHEN c.report -> 'left' = 'true' THEN at END
      FROM pgevents.presence_changes(reports, connections_write.holder, connections_write.until, at) c
     WHERE c.contact_due ORDER BY c.realm COLLATE "C", c.user_id COLLATE "C"
    ON CONFLICT ON CONSTRAINT connections_pkey
    DO UPDATE SET until = greatest(old.until, excluded.until), left_at = excluded.left_at;
END
$$;
CREATE FUNCTION pgevents.copied_tables() RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT ARRAY['log', 'history', 'generations', 'revocations', 'idempotency_keys']
$$;
CREATE FUNCTION pgevents.copy_complete() RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF pgevents.is_fed() AND (
      NOT EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = 'pgevents.log'::regclass)
      OR EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid
                  WHERE c.relnamespace = 'pgevents'::regnamespace AND c.relname = ANY (pgevents.copied_tables())
                    AND r.srsubstate <> 'r')) THEN
    PERFORM pgevents.raise_error(503, 'SERVICE_UNAVAILABLE', 'This copy of the log is not complete yet');
  END IF;
END
$$;
CREATE FUNCTION pgevents.copy_guard(is_on boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY pgevents.copied_tables() || ARRAY['staging', 'staging_rest'] LOOP
    IF EXISTS (SELECT FROM pg_trigger t
                WHERE t.tgrelid = format('pgevents.%I', name)::regclass AND t.tgname = 'copy_refuses') THEN
      EXECUTE format('DROP TRIGGER copy_refuses ON pgevents.%I', name);
    END IF;
    IF is_on THEN
      EXECUTE format('CREATE TRIGGER copy_refuses BEFORE %s ON pgevents.%I FOR EACH STATEMENT '
                     'EXECUTE FUNCTION pgevents.copy_refuses()',
                     CASE WHEN starts_with(name, 'staging') THEN 'INSERT' ELSE 'INSERT OR UPDATE OR DELETE' END, name);
    END IF;
  END LOOP;
END
$$;
CREATE FUNCTION pgevents.copy_lag(after bigint, OUT ids bigint, OUT ms bigint) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  ids := greatest(0, pgevents.head() - after - coalesce((
    SELECT sum(g.first_id - 1 - greatest(g.after_id, after)) FROM pgevents.generations g WHERE g.first_id > after), 0));
  ms := coalesce((SELECT greatest(1000 * date_part('epoch', clock_timestamp() - l.ts), 0)
                    FROM pgevents.log l WHERE l.id > after ORDER BY l.id LIMIT 1), 0);
END
$$;
CREATE FUNCTION pgevents.copy_owner() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  owner oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = 'pgevents.log'::regclass);
BEGIN
  IF NOT pg_has_role(owner, 'USAGE') THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN',
      format('Only a superuser or %s, the owner of pgevents, may do this', owner::regrole));
  ELSIF pg_is_in_recovery() THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', 'This server is a standby: connect to its primary');
  ELSIF NOT starts_with(current_setting('transaction_isolation'), 'read') THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', 'Call this in a transaction that is READ COMMITTED');
  END IF;
END
$$;
CREATE FUNCTION pgevents.copy_refuses() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM pgevents.primary_only();
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.copy_state(OUT is_copy boolean, OUT is_running boolean, OUT errors bigint) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  is_copy := pgevents.is_fed();
  IF NOT is_copy THEN
    RETURN;
  END IF;
  is_running := EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_stat_subscription w ON w.subid = r.srsubid
                         WHERE r.srrelid = 'pgevents.log'::regclass AND w.relid IS NULL AND w.pid IS NOT NULL);
  IF to_regclass('pg_catalog.pg_stat_subscription_stats') IS NOT NULL THEN
    EXECUTE 'SELECT sum(e.apply_error_count + e.sync_error_count)::bigint
               FROM pg_catalog.pg_stat_subscription_stats e JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = e.subid
              WHERE r.srrelid = ''pgevents.log''::regclass' INTO errors;
  END IF;
END
$$;
CREATE FUNCTION pgevents.copy_status() RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $_$
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
$_$;
CREATE FUNCTION pgevents.copy_warnings(role text, publication jsonb, slots jsonb, feed jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $_$
  SELECT coalesce(jsonb_agg(w.sentence), '[]') FROM (
    SELECT format('The publication lacks %s: run pgevents.create_publication()', publication ->> 'missing') AS sentence
     WHERE publication ->> 'missing' <> '[]'
    UNION ALL SELECT format('The subscription lacks %s: run pgevents.create_publication() on the primary, then '
        'ALTER SUBSCRIPTION %s REFRESH PUBLICATION here', feed ->> 'missing', quote_ident(feed ->> 'name'))
     WHERE feed ->> 'missing' <> '[]'
    UNION ALL SELECT format('Not complete yet: %s', feed ->> 'copying') WHERE feed ->> 'copying' <> '[]'
    UNION ALL SELECT 'This copy has no subscription: execute what pgevents.become_copy() returns, or run '
        'pgevents.promote_copy()' WHERE role = 'copy' AND feed IS NULL
    UNION ALL SELECT format('Subscription %s is disabled: ALTER SUBSCRIPTION %1$s ENABLE', quote_ident(feed ->> 'name'))
     WHERE NOT (feed -> 'enabled')::boolean
    UNION ALL SELECT 'No worker applies changes: the primary is away, or PostgreSQL''s log names the error'
     WHERE (feed -> 'enabled')::boolean AND feed ->> 'pid' IS NULL
    UNION ALL SELECT format('Replication slot "%s" is not in use and keeps %s of WAL: if its copy is gone, drop it',
        s.value ->> 'name', pg_size_pretty((s.value ->> 'retained_bytes')::numeric))
      FROM jsonb_array_elements(slots) s WHERE NOT (s.value -> 'active')::boolean
    UNION ALL SELECT format('Replication slot "%s" has lost WAL: its copy must be made anew', s.value ->> 'name')
      FROM jsonb_array_elements(slots) s WHERE s.value ->> 'wal_status' = 'lost') w
$_$;
CREATE FUNCTION pgevents.create_publication(reader text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  known  record;
  change record;
BEGIN
  PERFORM pgevents.copy_owner();
  IF current_setting('wal_level') <> 'logical' THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', format('wal_level is %s: set "wal_level = logical" in '
      'postgresql.conf and restart PostgreSQL', current_setting('wal_level')));
  ELSIF NOT has_database_privilege(current_database(), 'CREATE') THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN', format('%s may not create a publication: GRANT CREATE ON DATABASE '
      '%I TO %s', current_user, current_database(), quote_ident(current_user)));
  END IF;
  SELECT p.oid, p.puballtables, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS is_whole INTO known
    FROM pg_publication p WHERE p.pubname = 'pgevents';
  IF known.oid IS NULL THEN
    CREATE PUBLICATION pgevents;
    known.oid := (SELECT p.oid FROM pg_publication p WHERE p.pubname = 'pgevents');
  ELSIF known.puballtables OR NOT known.is_whole THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', 'There is a publication "pgevents" of all tables, or without all '
      'kinds of changes: DROP PUBLICATION pgevents, or rename it');
  END IF;
  FOR change IN
    SELECT c.relname, c.relname = ANY (pgevents.copied_tables()) AS is_wanted
      FROM pg_class c LEFT JOIN pg_publication_rel r ON r.prrelid = c.oid AND r.prpubid = known.oid
     WHERE c.relnamespace = 'pgevents'::regnamespace AND c.relkind = 'r'
       AND c.relname NOT IN ('users', 'streams', 'stream_members')
       AND (c.relname = ANY (pgevents.copied_tables())) = (r.prrelid IS NULL)
  LOOP
    EXECUTE format('ALTER PUBLICATION pgevents %s TABLE pgevents.%I',
      CASE WHEN change.is_wanted THEN 'ADD' ELSE 'DROP' END, change.relname);
  END LOOP;
  IF reader IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SCHEMA pgevents TO %I', reader);
    EXECUTE format('GRANT SELECT ON %s TO %I',
      (SELECT string_agg(format('pgevents.%I', t), ', ') FROM unnest(pgevents.copied_tables()) t), reader);
  END IF;
  RETURN format('SELECT pgevents.become_copy(%L, %s) \gexec',
    format('host=… port=%s dbname=%s user=%s', current_setting('port'), current_database(),
           coalesce(reader, current_user)),
    (SELECT v.version FROM pgevents.schema_version() v));
END
$$;
CREATE FUNCTION pgevents.directory_user(realm text, user_id text, OUT is_known boolean, OUT is_bot boolean, OUT presence_enabled boolean, OUT send_private_typing_notifications boolean, OUT send_stream_typing_notifications boolean, OUT receives_typing_notifications boolean, OUT joined_at timestamp with time zone) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  SELECT true, u.is_bot, u.presence_enabled, u.send_private_typing_notifications, u.send_stream_typing_notifications,
         u.receives_typing_notifications, u.joined_at
    INTO is_known, is_bot, presence_enabled, send_private_typing_notifications, send_stream_typing_notifications,
         receives_typing_notifications, joined_at
    FROM pgevents.users u
   WHERE u.realm = directory_user.realm AND u.user_id = directory_user.user_id AND u.is_active;
  is_known := coalesce(is_known, false);
END
$$;
CREATE FUNCTION pgevents.disconnect(user_id text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM pgevents.check_user(user_id);
  PERFORM pgevents.publish_control('pgevents.disconnect', format('{"user":%s}', to_json(user_id))::json);
END
$$;
CREATE FUNCTION pgevents.drain(max_rows integer, OUT events integer, OUT turns integer, OUT is_more boolean) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
  drawn    bigint := pg_sequence_last_value('pgevents.ready_n'::regclass);
  start    record;
  last_n   bigint;
  last_ord bigint;
  top      bigint;
BEGIN
  SELECT * INTO start FROM pgevents.ready_start();
  events := 0; turns := 0; is_more := false;
  IF start.n IS NULL THEN
    RETURN;
  ELSIF drawn - greatest(start.last, start.after) > 500 AND pg_current_xact_id_if_assigned() IS NULL THEN
    PERFORM pgevents.mark_passed();
  END IF;
  SELECT e.end_n, e.end_ord INTO last_n, last_ord FROM pgevents.drain_end(start.n, start.after, max_rows) e;
  WITH passed AS (
    DELETE FROM pgevents.ready r
     WHERE r.n = ANY (ARRAY(SELECT p.n FROM pgevents.ready p WHERE p.left_by = ANY (start.passed)
                                                               AND p.n + 0 <= start.after))
       AND (r.n, r.ord) <= (coalesce(last_n, 9223372036854775807), coalesce(last_ord, 9223372036854775807))
      RETURNING r.n, r.ord, r.channel_id, r.type, r.data, r.expires_at),
  others AS (
    DELETE FROM pgevents.ready r
     WHERE r.n > start.after
       AND (r.n, r.ord) <= (coalesce(last_n, 9223372036854775807), coalesce(last_ord, 9223372036854775807))
      RETURNING r.n, r.ord, r.channel_id, r.type, r.data, r.expires_at,
                CASE WHEN max_rows IS NULL AND r.ord % 512 = 0 THEN
                  setval('pgevents.ready_done', pg_sequence_last_value('pgevents.ready_n'::regclass)) END),
  left_behind AS (
    SELECT * FROM passed UNION ALL SELECT n, ord, channel_id, type, data, expires_at FROM others),
  moved AS (
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      SELECT nextval('pgevents.log_id_seq'), l.channel_id, clock_timestamp(), l.type, l.data, l.expires_at
        FROM (SELECT * FROM left_behind ORDER BY n, ord) l
      RETURNING CASE WHEN max_rows IS NULL AND id % 512 = 0 THEN
                  setval('pgevents.ready_done', pg_sequence_last_value('pgevents.ready_n'::regclass)) END)
  SELECT count(*), count(DISTINCT l.n), max(l.n) INTO events, turns, top FROM left_behind l;
  IF last_n IS NOT NULL THEN
    is_more := (SELECT s.n IS NOT NULL FROM pgevents.ready_start() s);
  END IF;
  IF events > 0 THEN
    PERFORM pg_notify('pgevents', 's'),
      setval('pgevents.ready_done', CASE WHEN last_ord IS NULL THEN greatest(top, start.after) ELSE drawn END);
  END IF;
END
$$;
CREATE FUNCTION pgevents.drain_end(n bigint, after bigint, max_rows integer, OUT end_n bigint, OUT end_ord bigint) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    AS $$
BEGIN
  IF max_rows IS NULL THEN
    RETURN;
  ELSIF EXISTS (SELECT FROM pgevents.ready r WHERE r.n = drain_end.n OFFSET 2000) THEN
    max_rows := least(max_rows, 1000);
  END IF;
  IF n <= after THEN
    end_n := n;
    end_ord := (SELECT r.ord FROM pgevents.ready r WHERE r.n = drain_end.n ORDER BY r.ord OFFSET max_rows - 1 LIMIT 1);
  ELSE
    SELECT r.n, r.ord INTO end_n, end_ord FROM pgevents.ready r
     WHERE r.n > after ORDER BY r.n, r.ord OFFSET max_rows - 1 LIMIT 1;
  END IF;
  end_ord := (SELECT r.ord FROM pgevents.ready r
               WHERE r.n = end_n AND r.ord > end_ord ORDER BY r.ord OFFSET 1000 LIMIT 1);
END
$$;
CREATE FUNCTION pgevents.epoch(ts timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT floor(pg_catalog.date_part('epoch', ts))::bigint
$$;
CREATE FUNCTION pgevents.event_fault(channel text, type text, expires_at timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT CASE
    WHEN NOT pgevents.name_is_sane(channel) THEN 'Invalid channel name: 1 to 255 bytes, no control characters'
    WHEN NOT pgevents.name_is_sane(type) THEN 'Invalid event type: 1 to 255 bytes, no control characters'
    WHEN starts_with(channel, 'pgevents.') THEN 'Channels that start with ''pgevents.'' are reserved'
    WHEN starts_with(type, 'pgevents.') THEN 'Event types that start with ''pgevents.'' are reserved'
    WHEN NOT isfinite(expires_at) THEN 'Invalid expiry: must be finite, or NULL for none'
  END
$$;
CREATE FUNCTION pgevents.events_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  event record;
  turn  bigint;
BEGIN
  IF NEW.id IS NOT NULL OR NEW.ts IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'id and ts are given at COMMIT: leave them out');
  END IF;
  event := pgevents.split_data(NEW.data, '{type,data}');
  IF event.unknown IS NOT NULL OR pgevents.is_plain(NEW.channel_id, event.type, NEW.expires_at) IS NOT TRUE THEN
    IF pgevents.is_plain(NEW.channel_id, event.type, NEW.expires_at) IS NOT TRUE THEN
      PERFORM pgevents.remark(NEW.channel_id, event.type, NEW.expires_at);
    END IF;
    IF event.unknown IS NOT NULL THEN
      PERFORM pgevents.complain('unknown_members',
        format('Member %s is unknown: an event has type and data', event.unknown));
    END IF;
  END IF;
  IF coalesce(current_setting('pgevents.turn', true), '') = '' THEN  -- the transaction's first event
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
      VALUES (NEW.channel_id, event.type, event.inner_data, NEW.expires_at);
    RETURN NEW;
  END IF;
  turn := pgevents.turn_number();
  IF turn > 0 THEN
    INSERT INTO pgevents.staging_rest (turn, channel_id, type, data, expires_at)
      VALUES (turn, NEW.channel_id, event.type, event.inner_data, NEW.expires_at);
  ELSE
    INSERT INTO pgevents.staging (turn, channel_id, type, data, expires_at)
      VALUES (-turn, NEW.channel_id, event.type, event.inner_data, NEW.expires_at);
  END IF;
  RETURN NEW;
END
$$;
CREATE FUNCTION pgevents.events_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RAISE EXCEPTION 'Events cannot be changed or deleted'
    USING ERRCODE = 'PT405', DETAIL = '{"code":"METHOD_NOT_ALLOWED"}',
          HINT = 'Publish another event. pgevents.prune() removes events that are older than the setting "retention".';
END
$$;
CREATE FUNCTION pgevents.fed_since() RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  RETURN (
    SELECT min(a.backend_start) FROM pg_stat_activity a
     WHERE a.pid IN (
       SELECT s.pid FROM pg_stat_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.subid
        WHERE s.relid IS NULL AND r.srrelid = 'pgevents.log'::regclass
       UNION ALL SELECT w.pid FROM pg_stat_wal_receiver w));
END
$$;
CREATE FUNCTION pgevents."fetch"(channels text[], after bigint, since_us bigint, max_rows integer, max_bytes bigint) RETURNS TABLE(id bigint, channel_id text, ts_us bigint, type text, data text, ttl_ms bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
  now_us     bigint := pgevents.us(clock_timestamp());
  row_limit  int := greatest(1, coalesce(max_rows, 1000));
  bytes_left bigint := coalesce(max_bytes, 9223372036854775807);
  page       record := pgevents.page_start(after, since_us);
  event      record;
BEGIN
  IF page.gap IS NOT NULL THEN
    RETURN QUERY SELECT page.start_id, channels[1], now_us, 'pgevents.reset',
      format('{"reason":"%s","oldest":%s,"head":%s}', page.gap, page.pruned_id + 1, page.head), NULL::bigint;
  END IF;
  -- One ordered index scan per channel, none longer than the page. Comparing the pair instead of id alone leaves only
  -- the index on (channel_id, id): by the primary key a quiet channel would cost a scan over all channels' events. One
  -- plan fits every call, and is kept (plan_cache_mode): planning costs more than reading most pages.
  FOR event IN
    SELECT l.*
      FROM (SELECT DISTINCT c.name COLLATE "C" AS name FROM unnest(channels) AS c (name)) wanted
      CROSS JOIN LATERAL (
        SELECT * FROM pgevents.log l
         WHERE (l.channel_id, l.id) > (wanted.name, page.start_id) AND l.channel_id <= wanted.name
           AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
         ORDER BY l.channel_id, l.id LIMIT row_limit + 1) l
     ORDER BY l.id LIMIT row_limit + 1  -- one row beyond the page shows whether more events follow
  LOOP
    IF id IS NOT NULL AND (row_limit <= 0 OR bytes_left <= 0) THEN
      RETURN QUERY SELECT id, NULL, NULL::bigint, 'more', NULL, NULL::bigint;
      RETURN;
    END IF;
    -- Long values are read from their TOAST table only here, so that a row beyond the page costs nothing.
    id := event.id; channel_id := event.channel_id; ts_us := pgevents.us(event.ts); type := event.type;
    data := event.data::text; ttl_ms := (pgevents.us(event.expires_at) - now_us) / 1000;
    RETURN NEXT;
    row_limit := row_limit - 1;
    bytes_left := bytes_left - octet_length(data);
  END LOOP;
  RETURN QUERY SELECT page.head, NULL, NULL::bigint, 'end', NULL, NULL::bigint;
END
$$;
CREATE FUNCTION pgevents.generation_is_checked() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN coalesce(current_setting('pgevents.generation_checked', true), '')
      = 'pgevents.generation_seen'::regclass::oid::text
    AND currval('pgevents.generation_seen'::regclass) > 0;
END
$$;
CREATE FUNCTION pgevents.generation_place() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT concat_ws('/', (pg_control_system()).system_identifier,
                   substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
                   (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
                   pg_relation_filenode('pgevents.log'))
$$;
CREATE FUNCTION pgevents.generation_start(last bigint) RETURNS bigint
    LANGUAGE sql
    AS $$
  SELECT last + pgevents.least_step()
    + ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint
      % greatest(1, (pgevents.shard_width() - last % pgevents.shard_width()) / 1000)
$$;
CREATE FUNCTION pgevents.head() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT greatest((SELECT max(id) FROM pgevents.log), (SELECT pruned_id FROM pgevents.history), 1)
$$;
CREATE FUNCTION pgevents.holder_close(holder bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  UPDATE pgevents.presence_holders h SET alive_until = clock_timestamp()
   WHERE h.holder = holder_close.holder AND h.alive_until > clock_timestamp();
END
$$;
CREATE FUNCTION pgevents.holder_open() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  new_holder bigint;
BEGIN
  IF pgevents.is_fed() THEN
    RETURN 0;
  END IF;
  INSERT INTO pgevents.presence_holders (alive_until)
    VALUES (clock_timestamp() + pgevents.timing('presence_lease')) RETURNING holder INTO new_holder;
  RETURN new_holder;
END
$$;
CREATE FUNCTION pgevents.http_presence_state(wanted jsonb) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN pgevents.presence_state(wanted ->> 'realm', NULL, (wanted ->> 'days')::bigint, (wanted ->> 'slim')::boolean,
    (wanted ->> 'connected')::boolean);
END
$$;
CREATE FUNCTION pgevents.http_publish(identity jsonb, channel text, body text, idempotency_key text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  publication record := pgevents.publication_read(identity, channel, body, idempotency_key);
  earlier     record;
  event_id    bigint;
BEGIN
  IF publication.key_scope IS NOT NULL THEN
    -- A second request with the same key waits here until the first one's result is visible.
    PERFORM pg_advisory_xact_lock(1885824375, hashtext(encode(publication.key_scope, 'hex')));  -- lock "idempotency key"
    earlier := pgevents.publication_earlier(publication.key_scope, publication.body_digest);
    IF NOT earlier.is_same THEN
      PERFORM pgevents.raise_error(422, 'UNPROCESSABLE', 'Idempotency-Key was already used with another body');
    END IF;
    event_id := earlier.event_id;
  END IF;
  IF event_id IS NULL THEN
    event_id := pgevents.publication_write(channel, publication.type, publication.inner_data, publication.expires_at,
      publication.key_scope, publication.body_digest);
  END IF;
  RETURN jsonb_build_object('result', 'success', 'id', event_id);
END
$$;
CREATE FUNCTION pgevents.http_publish_check(identity jsonb, channel text, type text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  kind text := pgevents.channel_kind(coalesce(nullif(identity ->> 'realm', ''), 'main'), channel);
BEGIN
  IF type IN ('error', 'open') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', pgevents.type_reserved(type));
  ELSIF kind = 'presence' THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN', 'Nothing can be published over HTTP on a presence channel');
  ELSIF kind IS NOT NULL AND type IN ('presence', 'typing', 'user_settings') THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN',
      format('Events of type ''%s'' cannot be published over HTTP on the channel of a %s', type, kind));
  END IF;
END
$$;
CREATE FUNCTION pgevents.http_publish_many(requests jsonb) RETURNS TABLE(answer jsonb, state text, message text, detail text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  outcome jsonb;
  id      bigint;
BEGIN
  FOREACH outcome IN ARRAY pgevents.publications_claim(pgevents.publications_read(requests)) LOOP
    id := outcome -> 'id';
    IF outcome ? 'type' THEN
      id := pgevents.publication_write(outcome ->> 'channel', outcome ->> 'type', (outcome ->> 'data')::json,
        (outcome ->> 'expires_at')::timestamptz, (outcome ->> 'key_scope')::bytea, (outcome ->> 'body_digest')::bytea);
    END IF;
    answer := CASE WHEN id IS NOT NULL THEN jsonb_build_object('result', 'success', 'id', id) END;
    state := outcome ->> 'state';
    message := outcome ->> 'message';
    detail := outcome ->> 'detail';
    RETURN NEXT;
  END LOOP;
END
$$;
CREATE FUNCTION pgevents.http_realm_presence(identity jsonb, params jsonb) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  caller record := pgevents.caller(identity);
BEGIN
  RETURN pgevents.answer(pgevents.success(params, '{}'),
    pgevents.presence_part(identity -> 'share_state', caller.realm, NULL, NULL, false));
END
$$;
CREATE FUNCTION pgevents.http_register(identity jsonb, params jsonb) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  last_event_id bigint := pgevents.head();
  caller record := pgevents.caller(identity);
  answer text := pgevents.success(params, '{fetch_event_types}');
  wanted jsonb := pgevents.param_list(params, 'fetch_event_types');
  wrong  int := (SELECT min(e.ordinality) - 1 FROM jsonb_array_elements(wanted) WITH ORDINALITY e
                  WHERE jsonb_typeof(e.value) <> 'string');
  state  text;
BEGIN
  IF wrong IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', format('fetch_event_types[%s] is not a string', wrong));
  END IF;
  IF coalesce(wanted ? 'presence', true) THEN
    state := pgevents.presence_part(identity -> 'share_state', caller.realm, NULL, NULL, true, true);
  ELSE
    state := '"server_timestamp":' || to_json(pgevents.server_timestamp());
  END IF;
  RETURN pgevents.answer(answer,
    (SELECT pgevents.json_members(row_to_json(b)) FROM (SELECT last_event_id::text,
       array_remove(ARRAY[c.user_channel, c.presence_channel], NULL) AS channels, c.user_channel, c.presence_channel,
       CASE WHEN length(c.stream) = length(replace(c.stream, '{stream_id}', '')) + 11
            THEN c.stream END AS stream_channel
         FROM (SELECT pgevents.user_channel(caller.realm, caller.user_id) AS user_channel,
                 pgevents.presence_channel(caller.realm) AS presence_channel,
                 pgevents.channel_name('stream', NULL, '{stream_id}') AS stream) c) b),
    state,
    CASE WHEN coalesce(wanted ? 'user_settings', true) THEN '"user_settings":' || (SELECT row_to_json(f) FROM (SELECT
      caller.presence_enabled, caller.send_private_typing_notifications, caller.send_stream_typing_notifications,
      caller.receives_typing_notifications) f) END,
    pgevents.client_timings());
END
$$;
CREATE FUNCTION pgevents.http_report_presence(identity jsonb, params jsonb) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  request jsonb := pgevents.presence_request(identity, params);
BEGIN
  PERFORM pgevents.presence_report(jsonb_build_array(
    jsonb_build_object('realm', request -> 'realm', 'user', request -> 'user', 'status', request -> 'status')));
  RETURN pgevents.presence_answer(request);
END
$$;
CREATE FUNCTION pgevents.http_report_presence_many(requests jsonb) RETURNS TABLE(answer json, state text, message text, detail text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  request  jsonb;
  outcomes jsonb[] := '{}';
BEGIN
  FOR request IN SELECT e.value FROM jsonb_array_elements(requests) WITH ORDINALITY e ORDER BY e.ordinality LOOP
    BEGIN
      outcomes := outcomes || pgevents.presence_request(request -> 'identity', request -> 'params');
    EXCEPTION WHEN SQLSTATE 'PT400' OR SQLSTATE 'PT401' THEN
      GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      outcomes := outcomes || jsonb_build_object('state', SQLSTATE, 'message', message, 'detail', detail);
    END;
  END LOOP;
  PERFORM pgevents.presence_report((
    SELECT jsonb_agg(jsonb_build_object('realm', o -> 'realm', 'user', o -> 'user', 'status', o -> 'status'))
      FROM unnest(outcomes) o WHERE o ? 'user'));
  FOREACH request IN ARRAY outcomes LOOP
    answer := CASE WHEN request ? 'user' THEN pgevents.presence_answer(request) END;
    state := request ->> 'state';
    message := request ->> 'message';
    detail := request ->> 'detail';
    RETURN NEXT;
  END LOOP;
END
$$;
CREATE FUNCTION pgevents.http_settings(identity jsonb, params jsonb) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  flags   constant text[] := '{presence_enabled,send_private_typing_notifications,send_stream_typing_notifications,receives_typing_notifications}';
  caller  record;
  answer  text;
  changes json;
BEGIN
  PERFORM pg_advisory_xact_lock(1885824377, hashtext(identity ->> 'user'));  -- lock "user settings"
  caller := pgevents.caller(identity);
  answer := pgevents.success(params, flags);
  SELECT json_strip_nulls(row_to_json(f)) INTO changes FROM (SELECT
    pgevents.param_boolean(params, 'presence_enabled') AS presence_enabled,
    pgevents.param_boolean(params, 'send_private_typing_notifications') AS send_private_typing_notifications,
    pgevents.param_boolean(params, 'send_stream_typing_notifications') AS send_stream_typing_notifications,
    pgevents.param_boolean(params, 'receives_typing_notifications') AS receives_typing_notifications) f;
  IF changes::text = '{}' THEN
    RETURN pgevents.answer(answer);
  END IF;
  PERFORM pgevents.change_settings(caller.realm, caller.user_id, changes::jsonb);
  PERFORM pgevents.stage(pgevents.user_channel(caller.realm, caller.user_id), 'user_settings', changes);
  IF changes ->> 'presence_enabled' IS NOT NULL AND NOT caller.is_bot THEN
    PERFORM pgevents.presence_switch(caller.realm, caller.user_id, (changes ->> 'presence_enabled')::boolean,
                                     caller.presence_enabled);
  END IF;
  RETURN pgevents.answer(answer);
END
$$;
CREATE FUNCTION pgevents.http_typing(identity jsonb, params jsonb) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  caller record := pgevents.caller(identity);
  answer text := pgevents.success(params, '{op,type,to,stream_id,topic}');
  op     text := pgevents.param_text(params, 'op');
  type   text := coalesce(pgevents.param_text(params, 'type'), 'direct');
  people jsonb;
  stream text;
  topic  text;
BEGIN
  IF op IS NULL THEN
    PERFORM pgevents.param_missing('op');
  ELSIF op NOT IN ('start', 'stop') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid op');
  ELSIF type NOT IN ('direct', 'stream', 'channel') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid type');
  END IF;
  people := pgevents.param_list(params, 'to');
  stream := pgevents.param_id(params, 'stream_id');
  topic := pgevents.param_text(params, 'topic');
  IF type = 'direct' THEN
    PERFORM pgevents.typing_direct(caller.realm, caller.user_id, caller.send_private_typing_notifications, op, people);
  ELSE
    PERFORM pgevents.typing_stream(caller.realm, caller.user_id, caller.send_stream_typing_notifications, op, stream,
                                   topic);
  END IF;
  RETURN pgevents.answer(answer);
END
$$;
CREATE FUNCTION pgevents.http_user_presence(identity jsonb, params jsonb) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  caller  record := pgevents.caller(identity);
  answer  text := pgevents.success(params, '{user_id,slim_presence}');
  slim    boolean := pgevents.param_boolean(params, 'slim_presence');
  target  text := pgevents.param_id(params, 'user_id');
  user_is record := pgevents.directory_user(caller.realm, target);
  threshold interval := pgevents.timing('presence_offline_threshold');
  seen    record;
  status  text;
  overall text;
BEGIN
  IF NOT user_is.is_known THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'No such user');
  ELSIF user_is.is_bot THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Presence is not supported for bot users.');
  END IF;
  SELECT pgevents.presence_active_at(p.active_at, p.idle_at, user_is.joined_at, threshold) AS active_at, p.idle_at
    INTO seen FROM pgevents.presence p WHERE p.realm = caller.realm AND p.user_id = target;
  IF NOT FOUND THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'No presence data for ' || target);
  ELSIF slim THEN
    RETURN pgevents.answer(answer, '"presence":' || pgevents.presence_slim(seen.active_at, seen.idle_at));
  END IF;
  status := pgevents.presence_status(seen.active_at, seen.idle_at, pgevents.presence_slack());
  overall := CASE WHEN pgevents.epoch(clock_timestamp()) - (format('{%s}', status)::json ->> 'timestamp')::bigint
                       > date_part('epoch', threshold)
    THEN regexp_replace(status, '"status":"[a-z]+"', '"status":"offline"') ELSE status END;
  RETURN pgevents.answer(answer, format('"presence":{"aggregated":{%s},"website":{%s}}', overall, status));
END
$$;
CREATE FUNCTION pgevents.is_copy() RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN pgevents.is_fed();
END
$$;
CREATE FUNCTION pgevents.is_expected() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN EXISTS (SELECT FROM pgevents.settings s WHERE s.name = 'group_commit' AND s.value = 'on')
    AND EXISTS (SELECT FROM pg_locks l
                 WHERE l.locktype = 'advisory' AND l.classid = 1885824374 AND l.objid = 7 AND l.objsubid = 2 AND l.granted
                   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));
END
$$;
CREATE FUNCTION pgevents.is_fed() RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  RETURN EXISTS (SELECT FROM pgevents.copy_mark)
    OR EXISTS (SELECT FROM pg_catalog.pg_subscription_rel r WHERE r.srrelid = 'pgevents.log'::regclass);
END
$$;
CREATE FUNCTION pgevents.is_plain(channel text, type text, expires_at timestamp with time zone) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
  SELECT (channel || '/' || type) COLLATE "C" ~ '^[A-Za-z0-9_.:@=+-]+/[A-Za-z0-9_.:@=+-]+$'
    AND octet_length(channel || type) <= 255 AND strpos(channel || type, 'pgevents.') = 0
    AND type NOT IN ('error', 'open') AND isfinite(expires_at) IS NOT FALSE
$_$;
CREATE FUNCTION pgevents.is_settled() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN pg_sequence_last_value('pgevents.ready_n'::regclass) <= pg_sequence_last_value('pgevents.ready_low'::regclass);
END
$$;
CREATE FUNCTION pgevents.is_watched() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN NOT (pg_try_advisory_lock_shared(1885824374, 6)       -- lock "sequencer"
              AND pg_advisory_unlock_shared(1885824374, 6));  -- lock "sequencer"
END
$$;
CREATE FUNCTION pgevents.json_harmless(source json, OUT harmless json, OUT stand_in text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
  code  text;
  spare text;
BEGIN
  harmless := source;
  IF source::text !~ E'\\\\u(0000|[dD][89a-fA-F])' THEN
    RETURN;
  END IF;
  stand_in := pgevents.json_stand_in(source::text);
  spare := source::text;
  FOREACH code IN ARRAY
      '{0000,d8,d9,da,db,dc,dd,de,df,dA,dB,dC,dD,dE,dF,D8,D9,Da,Db,Dc,Dd,De,Df,DA,DB,DC,DD,DE,DF}'::text[] LOOP
    -- Searches the source, which is shorter.
    IF strpos(source::text, E'\\u' || code) > 0 THEN
      spare := replace(spare, E'\\u' || code, stand_in || code);
    END IF;
  END LOOP;
  harmless := spare::json;
END
$$;
CREATE FUNCTION pgevents.json_members(object json) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT substr(object::text, 2, length(object::text) - 2)
$$;
CREATE FUNCTION pgevents.json_stand_in(source text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
  digest   text := encode(sha256(convert_to(source, 'UTF8')), 'hex');
  stand_in text := E'\\/' || left(digest, 16);
BEGIN
  IF strpos(source, stand_in) > 0 THEN
    stand_in := E'\\/' || right(digest, 16);
    IF strpos(source, stand_in) > 0 THEN
      PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid JSON: it contains its own digest');
    END IF;
  END IF;
  RETURN stand_in;
END
$$;
CREATE FUNCTION pgevents.json_unknown_member(object json, known text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT left(to_json(k.name)::text, 100) FROM json_object_keys(object) WITH ORDINALITY k (name, place)
   WHERE k.name <> ALL (known) ORDER BY k.place LIMIT 1
$$;
CREATE FUNCTION pgevents.least_step() RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
  SELECT 1000000000::bigint
$$;
CREATE FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload integer) RETURNS TABLE(head bigint, pruned_id bigint, start_after bigint, continuous boolean)
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
  PERFORM pgevents.copy_complete();
  IF pgevents.head() > 1 AND NOT pgevents.is_fed() AND NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
     AND pg_try_advisory_xact_lock(1885824374, 1) THEN  -- lock "append"
    PERFORM pgevents.check_generation();
  END IF;
  RETURN QUERY SELECT now.head, greatest(h.pruned_id, g.first_id - 1, 1),
         greatest((SELECT l.id FROM pgevents.log l ORDER BY l.id DESC OFFSET greatest(preload, 0) LIMIT 1),
                  h.pruned_id, g.first_id - 1, 1),
         coalesce(last_id, 0) = 0 OR EXISTS (
           SELECT FROM pgevents.generations e WHERE last_id > e.after_id AND last_id < e.first_id - 1)
         OR ((last_id <= now.head OR pgevents.may_lag(last_id, now.head))
           AND NOT EXISTS (SELECT FROM pgevents.log l WHERE l.id = last_id AND pgevents.us(l.ts) <> last_ts_us))
    FROM (SELECT pgevents.head() AS head) now,
         LATERAL (SELECT max(e.pruned_id) AS pruned_id FROM pgevents.history e) h,
         LATERAL (SELECT max(e.first_id) AS first_id FROM pgevents.generations e) g;
END
$$;
CREATE FUNCTION pgevents.lock_holder(number integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN (SELECT l.pid FROM pg_locks l
           WHERE l.locktype = 'advisory' AND l.classid = 1885824374 AND l.objid = number::oid AND l.objsubid = 2
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
             AND l.granted AND l.mode = 'ExclusiveLock' LIMIT 1);
END
$$;
CREATE FUNCTION pgevents.log_after(after bigint, max_rows integer) RETURNS TABLE(id bigint, channel_id text, ts_us bigint, type text, data text, ttl_ms bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
BEGIN
  IF log_after.after = 1 AND pgevents.is_fed() THEN
    PERFORM pgevents.copy_complete();
    IF greatest((SELECT h.pruned_id FROM pgevents.history h),
                (SELECT max(g.first_id) - 1 FROM pgevents.generations g)) > 1 THEN
      PERFORM pgevents.raise_error(503, 'SERVICE_UNAVAILABLE', 'The log was copied since this listener began');
    END IF;
  END IF;
  RETURN QUERY
    SELECT l.id, l.channel_id, pgevents.us(l.ts), l.type, l.data::text,
           (pgevents.us(l.expires_at) - pgevents.us(clock_timestamp())) / 1000
      FROM pgevents.log l
     WHERE l.id > log_after.after
     ORDER BY l.id
     LIMIT log_after.max_rows;
END
$$;
CREATE FUNCTION pgevents.log_notify() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  nothing pg_catalog.text := pg_catalog.pg_notify('pgevents', '');
BEGIN
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.mark_passed() RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  drawn bigint := pg_sequence_last_value('pgevents.ready_n'::regclass);
  open_ xid8[] := ARRAY(SELECT pg_snapshot_xip(pg_current_snapshot()));
  start record;
BEGIN
  SELECT * INTO start FROM pgevents.ready_start();
  IF start.n <= start.after THEN
    RETURN;  -- a transaction that was passed has committed: its events get their ids first
  ELSIF start.last > start.after THEN
    start.after := least(start.last, start.n - 1);
    start.passed := ARRAY(SELECT o FROM unnest(open_) o WHERE o < start.made_by);
  END IF;
  DELETE FROM pgevents.ready_marks m
   WHERE m.generation = (SELECT max(g.first_id) FROM pgevents.generations g) AND m.last = start.last;
  INSERT INTO pgevents.ready_marks (generation, last, after, passed)
    SELECT max(g.first_id), drawn, start.after, start.passed FROM pgevents.generations g;
END
$$;
CREATE FUNCTION pgevents.mark_settled() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  low  bigint := pg_sequence_last_value('pgevents.ready_low'::regclass);
  last bigint;
BEGIN
  IF EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = 'pgevents.ready'::regclass
                AND l.mode = 'RowExclusiveLock')
     OR NOT pg_try_advisory_xact_lock(1885824374, 5) THEN  -- lock "leaving"
    RETURN false;
  END IF;
  last := pg_sequence_last_value('pgevents.ready_n'::regclass);
  last := coalesce((SELECT s.n - 1 FROM pgevents.ready_start() s), last);
  IF last > low THEN
    PERFORM setval('pgevents.ready_low', last);
  END IF;
  RETURN pgevents.is_settled();
END
$$;
CREATE FUNCTION pgevents.may_lag(after bigint, head bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  further CONSTANT bigint := after - head;
  newest  timestamptz;
  seconds double precision;
BEGIN
  IF NOT (pg_is_in_recovery() OR pgevents.is_fed()) OR further >= 10000000000000 THEN
    RETURN false;
  END IF;
  newest := coalesce((SELECT l.ts FROM pgevents.log l ORDER BY l.id DESC LIMIT 1), '-infinity');
  seconds := greatest(0, date_part('epoch', clock_timestamp() - newest));
  RETURN further <= 1000000 * (1 + seconds)
    OR (further >= pgevents.least_step() AND (seconds >= 5 OR coalesce(pgevents.fed_since() >= newest, true)));
END
$$;
CREATE FUNCTION pgevents.name_is_sane(name text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT coalesce(octet_length(name) BETWEEN 1 AND 255 AND name COLLATE "C" !~ E'[\\u0001-\\u001f\\u007f]', false)
$$;
CREATE FUNCTION pgevents.outbox_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  turn bigint;
BEGIN
  IF pgevents.is_plain(NEW.channel_id, NEW.type, NEW.expires_at) IS NOT TRUE THEN
    PERFORM pgevents.remark(NEW.channel_id, NEW.type, NEW.expires_at);
  END IF;
  NEW.outbox_id := coalesce(NEW.outbox_id, gen_random_uuid());
  NEW.data := coalesce(NEW.data, 'null');
  IF coalesce(current_setting('pgevents.turn', true), '') = '' THEN  -- the transaction's first event
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
      VALUES (NEW.channel_id, NEW.type, NEW.data, NEW.expires_at);
    RETURN NEW;
  END IF;
  turn := pgevents.turn_number();
  IF turn > 0 THEN
    INSERT INTO pgevents.staging_rest (turn, channel_id, type, data, expires_at)
      VALUES (turn, NEW.channel_id, NEW.type, NEW.data, NEW.expires_at);
  ELSE
    INSERT INTO pgevents.staging (turn, channel_id, type, data, expires_at)
      VALUES (-turn, NEW.channel_id, NEW.type, NEW.data, NEW.expires_at);
  END IF;
  RETURN NEW;
END
$$;
CREATE FUNCTION pgevents.page_start(after bigint, since_us bigint, OUT start_id bigint, OUT head bigint, OUT pruned_id bigint, OUT gap text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  since     timestamptz;
  pruned_ts timestamptz;
  shared_id bigint;  -- the last id before the gap between generations in which the cursor lies
  known_id  bigint;  -- that id, if the client is sure to know everything up to it
BEGIN
  PERFORM pgevents.copy_complete();
  -- Without a row nothing has been pruned.
  SELECT h.pruned_id, h.pruned_ts INTO pruned_id, pruned_ts FROM pgevents.history h;
  pruned_id := coalesce(pruned_id, 1);
  head := greatest((SELECT max(l.id) FROM pgevents.log l), pruned_id);
  IF after IS NOT NULL THEN
    -- A cursor by time may stand just before the first id of a generation.
    shared_id := (SELECT min(g.after_id) FROM pgevents.generations g WHERE after > g.after_id AND after < g.first_id - 1);
    gap := CASE WHEN shared_id IS NOT NULL OR (after > head AND NOT pgevents.may_lag(after, head)) THEN 'ahead'
                WHEN after > 0 AND after < pruned_id THEN 'pruned' END;
    -- Further behind the gap's beginning than the events that a crash or a failover loses, the cursor is of a database
    -- that had left this history and begun a generation of its own. Nothing here says where that was.
    known_id := CASE WHEN after - shared_id < 1000000 THEN shared_id END;
    start_id := after;
    head := CASE WHEN gap IS NULL THEN greatest(head, after) ELSE head END;
  ELSIF since_us IS NOT NULL THEN
    -- The product is exact up to 2^53, which is the year 2255.
    since := timestamptz 'epoch' + greatest(0, least(since_us, 9007199254740992)) * interval '1 microsecond';
    gap := CASE WHEN since < pruned_ts THEN 'pruned' END;
    SELECT coalesce(min(first.id) - 1, head) INTO start_id
      FROM (SELECT l.id FROM pgevents.log l WHERE l.ts > since ORDER BY l.ts, l.id LIMIT 100) first;
  ELSE
    start_id := head;
  END IF;
  -- Applies to the cursor 0 too: the index has only dead entries below pruned_id.
  start_id := CASE WHEN gap IS NULL THEN greatest(start_id, pruned_id) ELSE greatest(known_id, pruned_id) END;
END
$$;
CREATE FUNCTION pgevents.param_boolean(params jsonb, name text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  value jsonb := pgevents.param_value(params, name);
BEGIN
  IF jsonb_typeof(value) <> 'boolean' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not a boolean');
  END IF;
  RETURN value::boolean;
END
$$;
CREATE FUNCTION pgevents.param_id(params jsonb, name text) RETURNS text
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF jsonb_typeof(params -> name) NOT IN ('string', 'number', 'null') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not a string');
  END IF;
  RETURN params ->> name;
END
$$;
CREATE FUNCTION pgevents.param_integer(params jsonb, name text) RETURNS bigint
    LANGUAGE plpgsql
    AS $_$
DECLARE
  value jsonb := pgevents.param_value(params, name);
BEGIN
  IF jsonb_typeof(value) <> 'number' OR value::text !~ '^-?[0-9]{1,18}$' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not an integer');
  END IF;
  RETURN value::bigint;
END
$_$;
CREATE FUNCTION pgevents.param_list(params jsonb, name text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
DECLARE
  value jsonb := pgevents.param_value(params, name);
BEGIN
  IF jsonb_typeof(value) <> 'array' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not a list');
  END IF;
  RETURN value;
END
$$;
CREATE FUNCTION pgevents.param_missing(name text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'PT400',
    MESSAGE = format('Missing ''%s'' argument', name),
    DETAIL = jsonb_build_object('code', 'REQUEST_VARIABLE_MISSING', 'var_name', name)::text;
END
$$;
CREATE FUNCTION pgevents.param_text(params jsonb, name text) RETURNS text
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF jsonb_typeof(params -> name) NOT IN ('string', 'null') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not a string');
  END IF;
  RETURN params ->> name;
END
$$;
CREATE FUNCTION pgevents.param_value(params jsonb, name text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF jsonb_typeof(params -> name) IS DISTINCT FROM 'string' THEN
    RETURN nullif(params -> name, 'null');
  END IF;
  BEGIN
    RETURN (params ->> name)::jsonb;
  EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not valid JSON');
  END;
END
$$;
CREATE FUNCTION pgevents.presence_active_at(active_at timestamp with time zone, idle_at timestamp with time zone, joined_at timestamp with time zone, threshold interval) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT coalesce(active_at, least(joined_at, idle_at - threshold))
$$;
CREATE FUNCTION pgevents.presence_answer(request jsonb) RETURNS json
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF request -> 'ping_only' = 'true' THEN
    RETURN pgevents.answer(request ->> 'answer');
  END IF;
  RETURN pgevents.answer(request ->> 'answer', pgevents.presence_part(request -> 'share', request ->> 'realm',
    (request ->> 'after')::bigint, (request ->> 'days')::bigint, (request ->> 'slim')::boolean));
END
$$;
CREATE FUNCTION pgevents.presence_changes(reports jsonb, holder bigint, until timestamp with time zone, at timestamp with time zone) RETURNS TABLE(realm text, user_id text, report jsonb, contact_due boolean, row_due boolean, is_new boolean, active_at timestamp with time zone, idle_at timestamp with time zone, is_connected boolean, times_told boolean, connected_told boolean)
    LANGUAGE plpgsql STABLE ROWS 1
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
  ping       interval := pgevents.timing('presence_ping_interval');
  -- 55 s and 130 s with the default timings. A time is written once in each ping interval, however many tabs report.
  stale      timestamptz := at - ping * 11 / 12;
  unexpected timestamptz := at - greatest(pgevents.timing('presence_offline_threshold') - ping * 7 / 6, ping * 11 / 12);
BEGIN
  RETURN QUERY
  WITH merged AS (
    SELECT e.value ->> 'realm' AS realm, e.value ->> 'user' AS user_id,
           coalesce(bool_or(e.value ->> 'status' = 'active'), false) AS is_active,
           (array_agg(e.value -> 'left' IS NOT DISTINCT FROM 'true' ORDER BY e.ordinality DESC))[1] AS is_leaving
      FROM jsonb_array_elements(reports) WITH ORDINALITY e
     GROUP BY 1, 2
  ), ruled AS (
    SELECT s.*, u.is_visible, coalesce(u.is_visible AND u.presence_enabled, false) AND NOT s.is_leaving AS counts,
           coalesce(p.update_id, 0) = 0 AS is_new, p.active_at, p.active_told_at, p.idle_at,
           coalesce(p.is_connected, false) AS was_connected, c.is_there, c.until,
           s.is_active AND coalesce(p.active_at < stale, true) AS active_due,
           coalesce(p.idle_at < stale, true) AS idle_due
      FROM merged s
      LEFT JOIN LATERAL (SELECT true AS is_visible, u.presence_enabled FROM pgevents.users u
         WHERE u.realm = s.realm AND u.user_id = s.user_id AND u.is_active AND NOT u.is_bot OFFSET 0) u ON true
      LEFT JOIN LATERAL (SELECT * FROM pgevents.presence p
         WHERE p.realm = s.realm AND p.user_id = s.user_id OFFSET 0) p ON true
      LEFT JOIN LATERAL (SELECT c.left_at IS NULL AS is_there, c.until FROM pgevents.connections c
         WHERE c.realm = s.realm AND c.user_id = s.user_id AND c.holder = presence_changes.holder OFFSET 0) c ON true
  )
  SELECT r.realm, r.user_id,
         jsonb_build_object('realm', r.realm, 'user', r.user_id,
                            'status', CASE WHEN r.is_active THEN 'active' ELSE 'idle' END, 'left', r.is_leaving),
         presence_changes.holder IS NOT NULL AND CASE WHEN r.is_leaving THEN coalesce(r.is_there, false)
           ELSE r.is_visible
             AND NOT (coalesce(r.is_there, false) AND coalesce(r.until >= presence_changes.until, true)) END,
         r.counts AND (r.active_due OR r.idle_due OR (presence_changes.holder IS NOT NULL AND NOT r.was_connected)),
         r.is_new,
         CASE WHEN r.active_due THEN at ELSE r.active_at END,
         CASE WHEN r.idle_due THEN at WHEN r.active_due THEN greatest(r.idle_at, at) ELSE r.idle_at END,
         r.was_connected OR presence_changes.holder IS NOT NULL,
         r.is_new OR (r.active_due AND (r.active_at IS NULL OR least(r.active_at, r.active_told_at) < unexpected)),
         presence_changes.holder IS NOT NULL AND NOT r.was_connected
    FROM ruled r
   WHERE r.is_visible OR r.is_there;
END
$$;
CREATE FUNCTION pgevents.presence_channel(realm text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT 'presence:' || replace(replace(realm, '=', '=3D'), ':', '=3A')
$$;
CREATE FUNCTION pgevents.presence_contacts(holder bigint, contacts jsonb) RETURNS TABLE(report_ms integer, renew_ms integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  lease interval := pgevents.timing('presence_lease');
  at    timestamptz := clock_timestamp();
  ends  timestamptz := (SELECT h.alive_until FROM pgevents.presence_holders h
                         WHERE h.holder = presence_contacts.holder AND NOT h.is_gone);
BEGIN
  report_ms := pgevents.timing_ms('presence_ping_interval');
  renew_ms := greatest(1, pgevents.timing_ms('presence_lease') / 3);
  IF holder = 0 AND pgevents.is_fed() THEN
    RETURN NEXT;
    RETURN;
  END IF;
  IF ends < at + lease * 3 / 4 THEN
    UPDATE pgevents.presence_holders h SET alive_until = at + lease
     WHERE h.holder = presence_contacts.holder AND NOT h.is_gone RETURNING h.alive_until INTO ends;
  END IF;
  IF ends IS NULL OR pgevents.presence_report(contacts, presence_contacts.holder) < 0 THEN
    RETURN;
  END IF;
  RETURN NEXT;
END
$$;
CREATE FUNCTION pgevents.presence_disconnect(realms text[], user_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  gone record;
BEGIN
  SELECT array_agg(p.realm) AS realms, array_agg(p.user_id) AS user_ids INTO gone
    FROM unnest(presence_disconnect.realms, presence_disconnect.user_ids) d (realm, user_id)
    JOIN pgevents.presence p ON p.realm = d.realm AND p.user_id = d.user_id
   WHERE p.is_connected
     AND NOT EXISTS (SELECT FROM pgevents.connections c WHERE c.realm = d.realm AND c.user_id = d.user_id);
  IF gone.realms IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgevents.presence_lock_realms(gone.realms);
  UPDATE pgevents.presence p SET is_connected = false, update_id = g.id, connected_id = g.id
    FROM (SELECT realm, user_id, nextval('pgevents.presence_update_seq') AS id
            FROM unnest(gone.realms, gone.user_ids) u (realm, user_id)) g
   WHERE p.realm = g.realm AND p.user_id = g.user_id;
  PERFORM pgevents.presence_tell(ARRAY(SELECT DISTINCT r FROM unnest(gone.realms) r));
END
$$;
CREATE FUNCTION pgevents.presence_flush(realm text) RETURNS void
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  channel text := pgevents.presence_channel(realm);
  told    bigint := (SELECT r.flushed_id FROM pgevents.presence_realms r WHERE r.realm = presence_flush.realm);
  news    record;
  threshold interval := pgevents.timing('presence_offline_threshold');
  stamp   text := to_json(pgevents.server_timestamp())::text;
BEGIN
  SELECT max(p.update_id) AS last_id,
         string_agg(slim.pair, ',' ORDER BY p.update_id) FILTER (WHERE p.times_id > told) AS times,
         string_agg(to_json(p.user_id)::text, ',' ORDER BY p.connected_id)
           FILTER (WHERE p.connected_id > told AND p.is_connected AND u.is_visible) AS connected,
         string_agg(to_json(p.user_id)::text, ',' ORDER BY p.connected_id)
           FILTER (WHERE p.connected_id > told AND NOT p.is_connected) AS disconnected,
         string_agg(slim.pair, ',' ORDER BY p.connected_id)
           FILTER (WHERE p.connected_id > told AND NOT p.is_connected) AS last_seen
    INTO news
    FROM pgevents.presence p
    LEFT JOIN LATERAL (SELECT true AS is_visible, u.joined_at FROM pgevents.users u
       WHERE greatest(p.times_id, p.connected_id) > told
         AND u.realm = p.realm AND u.user_id = p.user_id AND u.is_active AND NOT u.is_bot OFFSET 0) u ON true
    LEFT JOIN LATERAL (SELECT to_json(p.user_id)::text || ':' || pgevents.presence_slim(
       pgevents.presence_active_at(p.active_at, p.idle_at, u.joined_at, threshold), p.idle_at) AS pair
       WHERE u.is_visible) slim ON true
   WHERE p.realm = presence_flush.realm AND p.update_id > told;
  IF news.times IS NOT NULL THEN
    PERFORM pgevents.stage(channel, 'presence',
      format('{"presences":{%s},"server_timestamp":%s}', news.times, stamp)::json,
      pgevents.timing('presence_event_ttl'));
  END IF;
  IF news.connected IS NOT NULL THEN
    PERFORM pgevents.stage(channel, 'pgevents.connected',
      format('{"users":[%s],"server_timestamp":%s}', news.connected, stamp)::json);
  END IF;
  IF news.disconnected IS NOT NULL THEN
    PERFORM pgevents.stage(channel, 'pgevents.disconnected',
      format('{"users":[%s],"presences":{%s},"server_timestamp":%s}', news.disconnected, news.last_seen, stamp)::json);
  END IF;
  UPDATE pgevents.presence_realms r
     SET flushed_id = coalesce(news.last_id, told), flushed_at = clock_timestamp(), is_dirty = false
   WHERE r.realm = presence_flush.realm;
END
$$;
CREATE FUNCTION pgevents.presence_legacy(active_at timestamp with time zone, idle_at timestamp with time zone, slack interval) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT '{"aggregated":{"client":"website",' || pgevents.presence_status(active_at, idle_at, slack)
    || '},"website":{"client":"website",' || pgevents.presence_status(active_at, idle_at, slack)
    || ',"pushable":false}}'
$$;
CREATE FUNCTION pgevents.presence_lock(reports jsonb, newcomers jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF newcomers IS NOT NULL THEN
    INSERT INTO pgevents.presence (realm, user_id, idle_at)
      SELECT (n.value ->> 'realm') COLLATE "C", (n.value ->> 'user') COLLATE "C", '-infinity'
        FROM jsonb_array_elements(newcomers) n ORDER BY 1, 2
      ON CONFLICT DO NOTHING;
  END IF;
  PERFORM FROM (
    SELECT (r.value ->> 'realm') COLLATE "C" AS realm, (r.value ->> 'user') COLLATE "C" AS user_id
      FROM jsonb_array_elements(reports) r WHERE r.value -> 'left' = 'false' ORDER BY 1, 2) r
    CROSS JOIN LATERAL (
      SELECT FROM pgevents.presence p WHERE p.realm = r.realm AND p.user_id = r.user_id FOR NO KEY UPDATE) p;
END
$$;
CREATE FUNCTION pgevents.presence_lock_realms(realms text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  key int;
BEGIN
  FOR key IN SELECT DISTINCT pgevents.presence_realm_key(r.realm) FROM unnest(realms) r (realm) ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock(1885824376, key);  -- lock "realm"
  END LOOP;
END
$$;
CREATE FUNCTION pgevents.presence_part(shared jsonb, realm text, after bigint, days bigint, slim boolean, with_connected boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF shared = 'true' AND coalesce(after, -1) = -1 AND days IS DISTINCT FROM 0 THEN
    RETURN '"presence_state":'
      || jsonb_build_object('realm', realm, 'days', days, 'slim', slim, 'connected', with_connected)::text;
  END IF;
  RETURN pgevents.presence_state(realm, after, days, slim, with_connected);
END
$$;
CREATE FUNCTION pgevents.presence_poll(identity jsonb, seconds integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  at      timestamptz := clock_timestamp();
  until   timestamptz := at + seconds * interval '1 second' + pgevents.timing('presence_grace');
  contact jsonb := jsonb_build_array(jsonb_build_object('user', identity ->> 'user',
                     'realm', coalesce(nullif(identity ->> 'realm', ''), 'main')));
BEGIN
  IF coalesce(identity ->> 'user', '') = '' OR pgevents.is_fed() OR NOT EXISTS (
      SELECT FROM pgevents.presence_changes(contact, 0, until, at) c WHERE c.contact_due OR c.row_due) THEN
    RETURN false;
  END IF;
  PERFORM pgevents.presence_report(contact, 0, until);
  RETURN true;
END
$$;
CREATE FUNCTION pgevents.presence_realm_key(realm text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT hashtext(realm) & 255
$$;
CREATE FUNCTION pgevents.presence_report(reports jsonb, holder bigint DEFAULT NULL::bigint, until timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  due       jsonb;
  newcomers jsonb;
  wrong     jsonb;
  total     int;
BEGIN
  PERFORM pgevents.primary_only();
  IF holder IS NULL THEN
    wrong := (SELECT e.value FROM jsonb_array_elements(reports) e WHERE jsonb_typeof(e.value) <> 'object'
      OR coalesce(jsonb_typeof(e.value -> 'realm'), '') <> 'string'
      OR coalesce(jsonb_typeof(e.value -> 'user'), '') <> 'string'
      OR e.value ->> 'status' NOT IN ('active', 'idle')
      OR e.value - '{realm,user,status,left}'::text[] <> '{}' LIMIT 1);
    IF wrong IS NOT NULL THEN
      PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid report: ' || left(wrong::text, 200));
    END IF;
  END IF;
  SELECT jsonb_agg(c.report), jsonb_agg(c.report) FILTER (WHERE c.is_new AND c.report -> 'left' = 'false')
    INTO due, newcomers
    FROM pgevents.presence_changes(reports, holder, until, clock_timestamp()) c WHERE c.contact_due OR c.row_due;
  IF due IS NULL THEN
    RETURN 0;
  END IF;
  IF holder > 0 THEN
    -- The lock keeps presence_sweep() from removing the holder's connections while it gets new ones.
    PERFORM FROM pgevents.presence_holders h WHERE h.holder = presence_report.holder AND NOT h.is_gone FOR SHARE;
    IF NOT FOUND THEN
      RETURN -1;
    END IF;
  END IF;
  PERFORM pgevents.presence_lock(due, newcomers);
  IF holder IS NOT NULL THEN
    PERFORM pgevents.connections_write(due, holder, until);
  END IF;
  total := pgevents.presence_write(due, holder, until);
  IF newcomers IS NOT NULL THEN
    -- Removes the empty rows of users whose reports changed nothing.
    DELETE FROM pgevents.presence p USING jsonb_array_elements(newcomers) n
     WHERE p.update_id = 0 AND p.realm = n.value ->> 'realm' AND p.user_id = n.value ->> 'user';
  END IF;
  RETURN total;
END
$$;
CREATE FUNCTION pgevents.presence_request(identity jsonb, params jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
DECLARE
  caller record := pgevents.caller(identity);
  answer text := pgevents.success(params,
    '{status,ping_only,new_user_input,slim_presence,last_update_id,history_limit_days}');
  status text := pgevents.param_text(params, 'status');
  ping_only boolean;
  slim boolean;
  after bigint;
  days bigint;
BEGIN
  IF status IS NULL THEN
    PERFORM pgevents.param_missing('status');
  END IF;
  ping_only := pgevents.param_boolean(params, 'ping_only');
  PERFORM pgevents.param_boolean(params, 'new_user_input');
  slim := pgevents.param_boolean(params, 'slim_presence');
  after := pgevents.param_integer(params, 'last_update_id');
  days := pgevents.param_integer(params, 'history_limit_days');
  IF status NOT IN ('active', 'idle') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid status: ' || left(status, 100));
  END IF;
  IF caller.is_bot THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Presence is not supported for bot users.');
  END IF;
  RETURN jsonb_build_object('realm', caller.realm, 'user', caller.user_id, 'status', status, 'ping_only', ping_only,
    'slim', coalesce(slim, false) OR after IS NOT NULL, 'after', after, 'days', days,
    'share', identity -> 'share_state', 'answer', answer);
END
$$;
CREATE FUNCTION pgevents.presence_rows(realm text, since timestamp with time zone) RETURNS TABLE(user_id text, update_id bigint, active_at timestamp with time zone, idle_at timestamp with time zone, is_connected boolean)
    LANGUAGE plpgsql STABLE
    AS $$
#variable_conflict use_column
DECLARE
  threshold interval := pgevents.timing('presence_offline_threshold');
BEGIN
  RETURN QUERY SELECT p.user_id, p.update_id,
         pgevents.presence_active_at(p.active_at, p.idle_at, u.joined_at, threshold), p.idle_at, p.is_connected
    FROM pgevents.presence p JOIN pgevents.users u ON u.realm = p.realm AND u.user_id = p.user_id
   WHERE p.realm = presence_rows.realm AND p.idle_at >= since AND u.is_active AND NOT u.is_bot;
END
$$;
CREATE FUNCTION pgevents.presence_since(realm text, after bigint) RETURNS TABLE(user_id text, update_id bigint, active_at timestamp with time zone, idle_at timestamp with time zone, is_connected boolean)
    LANGUAGE plpgsql STABLE
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
  threshold interval := pgevents.timing('presence_offline_threshold');
BEGIN
  RETURN QUERY SELECT p.user_id, p.update_id,
         pgevents.presence_active_at(p.active_at, p.idle_at, u.joined_at, threshold), p.idle_at, p.is_connected
    FROM pgevents.presence p CROSS JOIN LATERAL (SELECT u.joined_at FROM pgevents.users u
      WHERE u.realm = p.realm AND u.user_id = p.user_id AND u.is_active AND NOT u.is_bot OFFSET 0) u
   WHERE p.realm = presence_since.realm AND p.update_id > after;
END
$$;
CREATE FUNCTION pgevents.presence_slack() RETURNS interval
    LANGUAGE sql STABLE
    AS $$
  SELECT pgevents.timing('presence_ping_interval') * 7 / 6
$$;
CREATE FUNCTION pgevents.presence_slim(active_at timestamp with time zone, idle_at timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT '{"active_timestamp":' || pgevents.epoch(active_at) || ',"idle_timestamp":' || pgevents.epoch(idle_at) || '}'
$$;
CREATE FUNCTION pgevents.presence_state(realm text, after bigint, days bigint, slim boolean, with_connected boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  known   bigint := CASE WHEN after <= (SELECT s.last_value FROM pgevents.presence_update_seq s)
                         THEN after ELSE -1 END;
  since   timestamptz := now() - greatest(-36500, least(36500, coalesce(days, 14))) * interval '1 day';
  slack   interval := pgevents.presence_slack();
  last_id bigint;
  people  text;
  present text[];
BEGIN
  IF days IS DISTINCT FROM 0 THEN
    SELECT max(r.update_id), array_agg(r.user_id) FILTER (WHERE with_connected AND r.is_connected),
           string_agg(to_json(r.user_id)::text || ':'
             || CASE WHEN slim THEN pgevents.presence_slim(r.active_at, r.idle_at)
             ELSE pgevents.presence_legacy(r.active_at, r.idle_at, slack) END, ',')
      INTO last_id, present, people
      FROM (SELECT * FROM pgevents.presence_since(realm, known) WHERE known > 0
            UNION ALL SELECT * FROM pgevents.presence_rows(realm, since) WHERE known <= 0) r;
  END IF;
  RETURN format('"server_timestamp":%s,"presence_last_update_id":%s,"presences":{%s}%s',
    to_json(pgevents.server_timestamp()), coalesce(last_id, known), people,
    CASE WHEN with_connected THEN ',"presence_connected":' || to_json(coalesce(present, '{}'))::text END);
END
$$;
CREATE FUNCTION pgevents.presence_status(active_at timestamp with time zone, idle_at timestamp with time zone, slack interval) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT CASE WHEN active_at + slack >= idle_at THEN '"status":"active","timestamp":' || pgevents.epoch(active_at)
              ELSE '"status":"idle","timestamp":' || pgevents.epoch(idle_at) END
$$;
CREATE FUNCTION pgevents.presence_sweep(max_users integer) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  at      timestamptz := clock_timestamp();
  left_by timestamptz := at - pgevents.timing('presence_grace');
  due     record;
  removed bigint;
BEGIN
  UPDATE pgevents.presence_holders SET is_gone = true WHERE holder = ANY (ARRAY(
    SELECT h.holder FROM pgevents.presence_holders h
     WHERE h.alive_until < left_by AND NOT h.is_gone FOR NO KEY UPDATE SKIP LOCKED));
  SELECT array_agg(d.realm) AS realms, array_agg(d.user_id) AS user_ids INTO due
    FROM (SELECT c.realm, c.user_id FROM pgevents.connections c WHERE c.left_at < left_by
          UNION SELECT c.realm, c.user_id FROM pgevents.connections c WHERE c.until < at
          UNION SELECT c.realm, c.user_id
                  FROM pgevents.presence_holders h JOIN pgevents.connections c USING (holder) WHERE h.is_gone
          LIMIT max_users) d;
  IF due.realms IS NULL THEN
    DELETE FROM pgevents.presence_holders h WHERE h.is_gone;
    RETURN 0;
  END IF;
  -- The users whose row in presence could be locked, and the users without a row.
  SELECT array_agg(d.realm) AS realms, array_agg(d.user_id) AS user_ids INTO due
    FROM unnest(due.realms, due.user_ids) d (realm, user_id)
    LEFT JOIN (SELECT p.realm, p.user_id, true AS is_locked FROM pgevents.presence p
                WHERE (p.realm, p.user_id) IN (SELECT * FROM unnest(due.realms, due.user_ids))
                ORDER BY p.realm, p.user_id FOR NO KEY UPDATE SKIP LOCKED) p USING (realm, user_id)
   WHERE p.is_locked OR NOT EXISTS (SELECT FROM pgevents.presence q WHERE q.realm = d.realm AND q.user_id = d.user_id);
  DELETE FROM pgevents.connections WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM pgevents.connections c
     WHERE (c.realm, c.user_id) IN (SELECT * FROM unnest(due.realms, due.user_ids))
       AND (c.left_at < left_by OR c.until < at
            OR EXISTS (SELECT FROM pgevents.presence_holders h WHERE h.holder = c.holder AND h.is_gone))
     FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS removed = ROW_COUNT;
  PERFORM pgevents.presence_disconnect(due.realms, due.user_ids);
  RETURN removed;
END
$$;
CREATE FUNCTION pgevents.presence_switch(realm text, user_id text, enabled boolean, was_enabled boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
  at   timestamptz;
  past timestamptz;
  id   bigint;
BEGIN
  INSERT INTO pgevents.presence (realm, user_id, idle_at)
    VALUES (presence_switch.realm, presence_switch.user_id, '-infinity')
    ON CONFLICT DO NOTHING;
  PERFORM FROM pgevents.presence p
    WHERE p.realm = presence_switch.realm AND p.user_id = presence_switch.user_id FOR NO KEY UPDATE;
  -- presence_sweep() may be removing them.
  PERFORM FROM pgevents.connections c
    WHERE c.realm = presence_switch.realm AND c.user_id = presence_switch.user_id FOR KEY SHARE;
  PERFORM pgevents.presence_lock_realms(ARRAY[presence_switch.realm]);
  at := clock_timestamp();
  past := at - pgevents.timing('presence_offline_threshold') - pgevents.timing('presence_ping_interval') * 13 / 12;
  id := nextval('pgevents.presence_update_seq');
  UPDATE pgevents.presence p
     SET active_at = c.active_at, active_told_at = c.active_at,
         idle_at = CASE WHEN enabled THEN greatest(p.idle_at, at) ELSE least(p.idle_at, past) END,
         is_connected = c.is_connected, update_id = id, times_id = id,
         connected_id = CASE WHEN c.is_connected <> p.is_connected THEN id ELSE p.connected_id END
    FROM (SELECT enabled AND EXISTS (SELECT FROM pgevents.connections c
             WHERE c.realm = presence_switch.realm AND c.user_id = presence_switch.user_id) AS is_connected,
           CASE WHEN enabled THEN greatest(q.active_at, at) WHEN q.active_at > past THEN past
                ELSE q.active_at END AS active_at
            FROM pgevents.presence q WHERE q.realm = presence_switch.realm AND q.user_id = presence_switch.user_id) c
   WHERE p.realm = presence_switch.realm AND p.user_id = presence_switch.user_id
     AND CASE WHEN enabled THEN NOT was_enabled
              ELSE p.update_id > 0 AND (was_enabled OR p.idle_at > past OR p.is_connected) END;
  IF FOUND THEN
    PERFORM pgevents.presence_tell(ARRAY[presence_switch.realm]);
  ELSE
    DELETE FROM pgevents.presence p
     WHERE p.realm = presence_switch.realm AND p.user_id = presence_switch.user_id AND p.update_id = 0;
  END IF;
END
$$;
CREATE FUNCTION pgevents.presence_tell(realms text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  due   timestamptz := clock_timestamp() - pgevents.timing('presence_flush_window');
  name  text;
  state record;
BEGIN
  FOREACH name IN ARRAY coalesce(realms, '{}') LOOP
    SELECT r.flushed_at, r.is_dirty INTO state FROM pgevents.presence_realms r WHERE r.realm = name;
    IF NOT FOUND THEN
      INSERT INTO pgevents.presence_realms (realm) VALUES (name);
      PERFORM pgevents.presence_flush(name);
    ELSIF state.flushed_at <= due THEN
      PERFORM pgevents.presence_flush(name);
    ELSIF NOT state.is_dirty THEN
      UPDATE pgevents.presence_realms r SET is_dirty = true WHERE r.realm = name;
    END IF;
  END LOOP;
END
$$;
CREATE FUNCTION pgevents.presence_tick() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  window_us bigint := date_part('epoch', pgevents.timing('presence_flush_window')) * 1000000;
  name      text;
  next_us   bigint;
BEGIN
  IF pg_is_in_recovery() OR pgevents.is_fed() OR NOT pg_try_advisory_xact_lock(1885824374, 4) THEN  -- lock "presence tick"
    RETURN 500;
  END IF;
  PERFORM pgevents.presence_sweep(1000);
  FOR name IN
    SELECT r.realm FROM pgevents.presence_realms r
     WHERE r.is_dirty AND r.flushed_at <= clock_timestamp() - window_us * interval '1 microsecond'
  LOOP
    IF pg_try_advisory_xact_lock(1885824376, pgevents.presence_realm_key(name))  -- lock "realm"
       AND EXISTS (SELECT FROM pgevents.presence_realms r WHERE r.realm = name AND r.is_dirty) THEN
      PERFORM pgevents.presence_flush(name);
    END IF;
  END LOOP;
  SELECT min(pgevents.us(r.flushed_at)) + window_us - pgevents.us(clock_timestamp()) INTO next_us
    FROM pgevents.presence_realms r WHERE r.is_dirty;
  RETURN greatest(10, least(500, coalesce(next_us, 500000) / 1000 + 1));
END
$$;
CREATE FUNCTION pgevents.presence_write(reports jsonb, holder bigint, until timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
  at     timestamptz := clock_timestamp();
  realms text[] := ARRAY(SELECT DISTINCT r.value ->> 'realm' FROM jsonb_array_elements(reports) r
                          WHERE r.value -> 'left' = 'false');
  told   text[];
  total  int;
BEGIN
  IF realms = '{}' THEN
    RETURN 0;
  END IF;
  PERFORM pgevents.presence_lock_realms(realms);
  WITH changed AS (
    SELECT c.*, nextval('pgevents.presence_update_seq') AS update_id
      FROM pgevents.presence_changes(reports, holder, until, at) c WHERE c.row_due
  ), updated AS (
    UPDATE pgevents.presence p
       SET active_at = c.active_at, idle_at = c.idle_at, is_connected = c.is_connected, update_id = c.update_id,
           times_id = CASE WHEN c.times_told THEN c.update_id ELSE p.times_id END,
           active_told_at = CASE WHEN c.times_told THEN c.active_at ELSE p.active_told_at END,
           connected_id = CASE WHEN c.connected_told THEN c.update_id ELSE p.connected_id END
      FROM changed c WHERE p.realm = c.realm AND p.user_id = c.user_id
    RETURNING p.realm, c.times_told OR c.connected_told AS is_told
  )
  SELECT count(*), array_agg(DISTINCT u.realm) FILTER (WHERE u.is_told) INTO total, told FROM updated u;
  PERFORM pgevents.presence_tell(told);
  RETURN total;
END
$$;
CREATE FUNCTION pgevents.primary_only() RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF pgevents.is_fed() THEN
    PERFORM pgevents.raise_error(503, 'SERVICE_UNAVAILABLE',
      'This database is not the primary: it is a copy, which only serves subscribers');
  END IF;
END
$$;
CREATE FUNCTION pgevents.promote_copy() RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  feed  record;
  slots text[] := '{}';
  head  bigint;
BEGIN
  PERFORM pgevents.copy_owner();
  IF NOT pgevents.is_fed() THEN
    RETURN NULL;
  ELSIF EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = 'pgevents.log'::regclass) THEN
    PERFORM pgevents.copy_complete();
  END IF;
  FOR feed IN
    SELECT DISTINCT s.subname, s.subslotname FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid
      JOIN pg_class c ON c.oid = r.srrelid AND c.relnamespace = 'pgevents'::regnamespace
     WHERE c.relname = ANY (pgevents.copied_tables())
  LOOP
    EXECUTE format('ALTER SUBSCRIPTION %I DISABLE', feed.subname);
    EXECUTE format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', feed.subname);
    EXECUTE format('DROP SUBSCRIPTION %I', feed.subname);  -- ends its workers before it returns
    slots := slots || array_remove(ARRAY[feed.subslotname::text], NULL);
  END LOOP;
  PERFORM pgevents.copy_guard(false);
  DELETE FROM pgevents.copy_mark;
  PERFORM pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  head := pgevents.head();
  IF head > 1 AND NOT EXISTS (SELECT FROM pgevents.generations) THEN
    -- Not copied: the ids were given elsewhere all the same.
    INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (1, 0, 'primary');
  END IF;
  IF head > 1 THEN
    PERFORM pgevents.check_generation();
  END IF;
  RETURN jsonb_build_object('head', head, 'slots', slots,
    'first_id', (SELECT max(g.first_id) FROM pgevents.generations g));
END
$$;
CREATE FUNCTION pgevents.prune(max_rows integer DEFAULT 5000) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  total   bigint;
  removed bigint;
BEGIN
  IF pg_is_in_recovery() OR pgevents.is_fed() OR NOT pg_try_advisory_xact_lock(1885824374, 2) THEN  -- lock "prune"
    RETURN 0;
  END IF;
  total := pgevents.prune_log(max_rows);
  -- Expired events leave no gap. The newest event stays, so that the head never goes back.
  DELETE FROM pgevents.log WHERE id IN (
    SELECT l.id FROM pgevents.log l
     WHERE l.expires_at <= now() AND l.id < pgevents.head()
     ORDER BY l.expires_at LIMIT max_rows);
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;
  -- A staged row that this transaction can see has been committed, so its event is in the log or in ready.
  DELETE FROM pgevents.staging WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM pgevents.staging s LIMIT max_rows * 10));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;
  DELETE FROM pgevents.staging_rest WHERE ctid = ANY (ARRAY(
    SELECT s.ctid FROM pgevents.staging_rest s LIMIT max_rows * 10));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;
  DELETE FROM pgevents.turns WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM pgevents.turns t LIMIT max_rows * 10));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;
  DELETE FROM pgevents.idempotency_keys WHERE scope IN (
    SELECT k.scope FROM pgevents.idempotency_keys k
     WHERE k.created_at < now() - interval '24 hours' ORDER BY k.created_at LIMIT max_rows FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;
  DELETE FROM pgevents.typing_counts WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM pgevents.typing_counts c WHERE c.since < now() - interval '1 minute'
     LIMIT max_rows FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed + pgevents.prune_revocations(max_rows);
  -- Not each time: an idle database stays idle.
  IF total > 0 OR NOT EXISTS (SELECT FROM pgevents.prunes p WHERE p.pruned_at > now() - interval '1 hour') THEN
    INSERT INTO pgevents.prunes AS p (pruned_at, removed, removed_total) VALUES (now(), total, total)
      ON CONFLICT (only_row) DO UPDATE
        SET pruned_at = excluded.pruned_at, removed = excluded.removed,
            removed_total = p.removed_total + excluded.removed;
  END IF;
  RETURN total;
END
$$;
CREATE FUNCTION pgevents.prune_log(max_rows integer) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  cutoff  timestamptz := now() - (SELECT value::interval FROM pgevents.settings WHERE name = 'retention');
  from_id bigint := coalesce((SELECT pruned_id FROM pgevents.history), 1);
  last_id bigint;
  last_ts timestamptz;
  removed bigint;
BEGIN
  SELECT max(old.id), max(old.ts) INTO last_id, last_ts
    FROM (SELECT l.id, l.ts, bool_and(l.ts < cutoff) OVER (ORDER BY l.id) AS is_past
            FROM (SELECT id, ts FROM pgevents.log WHERE id > from_id ORDER BY id LIMIT prune_log.max_rows) l) old
   WHERE old.is_past;
  IF last_id IS NULL THEN
    RETURN 0;
  END IF;
  DELETE FROM pgevents.log WHERE id > from_id AND id <= last_id;
  GET DIAGNOSTICS removed = ROW_COUNT;
  INSERT INTO pgevents.history AS h (pruned_id, pruned_ts) VALUES (last_id, last_ts)
    ON CONFLICT (only_row) DO UPDATE
      SET pruned_id = excluded.pruned_id, pruned_ts = greatest(h.pruned_ts, excluded.pruned_ts);
  RETURN removed;
END
$$;
CREATE FUNCTION pgevents.prune_revocations(max_rows integer) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  cutoff  timestamptz := now() - (SELECT value::interval FROM pgevents.settings WHERE name = 'revocation_retention');
  removed bigint;
BEGIN
  DELETE FROM pgevents.revocations WHERE user_id IN (
    SELECT r.user_id FROM pgevents.revocations r
     WHERE greatest(r.before, r.revoked_at) < cutoff
     ORDER BY greatest(r.before, r.revoked_at) LIMIT max_rows FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END
$$;
CREATE FUNCTION pgevents.publication_earlier(key_scope bytea, body_digest bytea, OUT event_id bigint, OUT is_same boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
BEGIN
  SELECT k.event_id, k.body_digest = publication_earlier.body_digest
    INTO publication_earlier.event_id, publication_earlier.is_same
    FROM pgevents.idempotency_keys k
   WHERE k.scope = key_scope AND k.created_at > now() - interval '24 hours';
END
$$;
CREATE FUNCTION pgevents.publication_read(identity jsonb, channel text, body text, idempotency_key text, OUT type text, OUT inner_data json, OUT expires_at timestamp with time zone, OUT key_scope bytea, OUT body_digest bytea) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  split record := pgevents.split_body(body);
  key   text := nullif(idempotency_key, '');
  fault text;
BEGIN
  PERFORM pgevents.http_publish_check(identity, channel, split.type);
  fault := pgevents.event_fault(channel, split.type, split.expires_at);
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', fault);
  END IF;
  type := split.type;
  inner_data := split.inner_data;
  expires_at := split.expires_at;
  IF key IS NOT NULL THEN
    key_scope := sha256(convert_to(
      jsonb_build_array(identity -> 'realm', identity -> 'user', channel, key)::text, 'UTF8'));
    body_digest := sha256(convert_to(body, 'UTF8'));
  END IF;
END
$$;
CREATE FUNCTION pgevents.publication_write(channel text, type text, data json, expires_at timestamp with time zone, key_scope bytea, body_digest bytea) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  new_id bigint := pgevents.append(channel, type, data, expires_at);
BEGIN
  IF key_scope IS NOT NULL THEN
    INSERT INTO pgevents.idempotency_keys AS k (scope, body_digest, event_id)
      VALUES (publication_write.key_scope, publication_write.body_digest, new_id)
      ON CONFLICT (scope) DO UPDATE
        SET body_digest = excluded.body_digest, event_id = excluded.event_id, created_at = excluded.created_at;
  END IF;
  RETURN new_id;
END
$$;
CREATE FUNCTION pgevents.publications_claim(outcomes jsonb[]) RETURNS jsonb[]
    LANGUAGE plpgsql
    AS $$
DECLARE
  scope   bytea;
  scopes  bytea[] := '{}';
  earlier record;
BEGIN
  FOR i IN 1..cardinality(outcomes) LOOP
    scope := outcomes[i] ->> 'key_scope';
    CONTINUE WHEN scope IS NULL;
    -- A statement of its own: the next one must see what the lock's last holder has committed.
    IF scope = ANY (scopes)
       OR NOT pg_try_advisory_xact_lock(1885824375, hashtext(encode(scope, 'hex'))) THEN  -- lock "idempotency key"
      outcomes[i] := '{}';
      CONTINUE;
    END IF;
    scopes := scopes || scope;
    earlier := pgevents.publication_earlier(scope, (outcomes[i] ->> 'body_digest')::bytea);
    IF earlier.is_same THEN
      outcomes[i] := jsonb_build_object('id', earlier.event_id);
    ELSIF earlier.event_id IS NOT NULL THEN
      outcomes[i] := '{}';
    END IF;
  END LOOP;
  RETURN outcomes;
END
$$;
CREATE FUNCTION pgevents.publications_read(requests jsonb) RETURNS jsonb[]
    LANGUAGE plpgsql
    AS $_$
DECLARE
  request     jsonb;
  publication record;
  outcomes    jsonb[] := '{}';
  message     text;
  detail      text;
BEGIN
  WHILE cardinality(outcomes) < jsonb_array_length(requests) LOOP
    BEGIN
      FOR i IN cardinality(outcomes)..jsonb_array_length(requests) - 1 LOOP
        request := requests -> i;
        publication := pgevents.publication_read(request -> 'identity', request ->> 'channel', request ->> 'body',
          request ->> 'idempotency_key');
        outcomes := outcomes || jsonb_build_object('channel', request -> 'channel', 'type', publication.type,
          'data', publication.inner_data::text, 'expires_at', publication.expires_at,
          'key_scope', publication.key_scope, 'body_digest', publication.body_digest);
      END LOOP;
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      outcomes := outcomes || CASE WHEN SQLSTATE ~ '^PT[45][0-9][0-9]$'
        THEN jsonb_build_object('state', SQLSTATE, 'message', message, 'detail', detail) ELSE '{}' END;
    END;
  END LOOP;
  RETURN outcomes;
END
$_$;
CREATE FUNCTION pgevents.publish(channel text, type text, data json, ttl interval DEFAULT NULL::interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  expiry timestamptz;
  turn   bigint;
BEGIN
  IF ttl IS NOT NULL THEN
    expiry := clock_timestamp() + ttl;
    IF ttl <= interval '0' THEN
      PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid ttl: must be greater than 0');
    END IF;
  END IF;
  IF pgevents.is_plain(channel, type, expiry) IS NOT TRUE THEN
    PERFORM pgevents.remark(channel, type, expiry);
  END IF;
  IF coalesce(current_setting('pgevents.turn', true), '') = '' THEN  -- the transaction's first event
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
      VALUES (publish.channel, publish.type, coalesce(publish.data, 'null'), expiry);
    RETURN;
  END IF;
  turn := pgevents.turn_number();
  IF turn > 0 THEN
    INSERT INTO pgevents.staging_rest (turn, channel_id, type, data, expires_at)
      VALUES (turn, publish.channel, publish.type, coalesce(publish.data, 'null'), expiry);
  ELSE
    INSERT INTO pgevents.staging (turn, channel_id, type, data, expires_at)
      VALUES (-turn, publish.channel, publish.type, coalesce(publish.data, 'null'), expiry);
  END IF;
END
$$;
CREATE FUNCTION pgevents.publish(channel text, type text, data jsonb, ttl interval DEFAULT NULL::interval) RETURNS void
    LANGUAGE sql
    AS $$
  SELECT pgevents.publish(channel, type, data::pg_catalog.json, ttl)
$$;
CREATE FUNCTION pgevents.publish(channel text, type text, data text DEFAULT NULL::text, ttl interval DEFAULT NULL::interval) RETURNS void
    LANGUAGE sql
    AS $$
  SELECT pgevents.publish(channel, type, data::pg_catalog.json, ttl)
$$;
CREATE FUNCTION pgevents.publish_control(type text, data json) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  nothing text := set_config('pgevents.turn', '', true);
BEGIN
  nothing := set_config('pgevents.direct', 'yes', true);
  INSERT INTO pgevents.staging (turn, channel_id, type, data)
    VALUES (NULL, 'pgevents.control', publish_control.type, publish_control.data);
END
$$;
CREATE FUNCTION pgevents.publishers_waiting() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN (SELECT count(*) FROM pg_locks l
           WHERE l.locktype = 'advisory' AND l.classid = 1885824374 AND l.objid = 1 AND l.objsubid = 2 AND NOT l.granted
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));
END
$$;
CREATE FUNCTION pgevents.raise_error(status integer, code text, message text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'PT' || status,
    MESSAGE = raise_error.message,
    DETAIL = '{"code":' || to_json(raise_error.code)::text || '}';
END
$$;
CREATE FUNCTION pgevents.ready_number() RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  number  bigint;
  nothing text;
BEGIN
  IF current_setting('transaction_isolation') <> 'serializable' THEN
    RETURN nextval('pgevents.ready_n');
  END IF;
  number := nullif(current_setting('pgevents.ready_number', true), '');
  IF number > pg_sequence_last_value('pgevents.ready_low'::regclass)
     AND number <= pg_sequence_last_value('pgevents.ready_n'::regclass) THEN
    RETURN number;
  END IF;
  number := nextval('pgevents.ready_n');
  nothing := set_config('pgevents.ready_number', number::text, true);
  RETURN number;
END
$$;
CREATE FUNCTION pgevents.ready_start(OUT n bigint, OUT after bigint, OUT passed xid8[], OUT last bigint, OUT made_by xid8) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
  low bigint := pg_sequence_last_value('pgevents.ready_low'::regclass);
BEGIN
  SELECT m.after, m.passed, m.last, m.made_by INTO after, passed, last, made_by FROM pgevents.ready_marks m
   WHERE m.generation = (SELECT max(g.first_id) FROM pgevents.generations g) ORDER BY m.last DESC LIMIT 1;
  IF after > low THEN
    n := (SELECT min(r.n + 0) FROM pgevents.ready r WHERE r.left_by = ANY (passed) AND r.n + 0 <= after);
  ELSE
    after := low;
    passed := '{}';
  END IF;
  IF n IS NULL THEN
    n := (SELECT r.n FROM pgevents.ready r WHERE r.n > after ORDER BY r.n LIMIT 1);
  END IF;
END
$$;
CREATE FUNCTION pgevents.remark(channel text, type text, expires_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $_$
DECLARE
  fault text := pgevents.event_fault(channel, type, expires_at);
BEGIN
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', fault);
  END IF;
  IF type IN ('error', 'open') THEN
    PERFORM pgevents.complain('reserved_types', pgevents.type_reserved(type));
  END IF;
  IF channel COLLATE "C" !~ '^[A-Za-z0-9_.:@=+-]+$'
     AND current_setting('pgevents.noticed_channel', true) IS DISTINCT FROM channel THEN
    PERFORM set_config('pgevents.noticed_channel', channel, false);
    RAISE NOTICE USING
      MESSAGE = format('Clients cannot subscribe to channel %s: the front-ends'' default pattern rejects the name',
                       to_json(channel)),
      HINT = 'Use letters, digits and _.:@=+- only, or set a wider pattern (directive pgevents_channel_pattern).';
  END IF;
END
$_$;
CREATE FUNCTION pgevents.revocation_settle(data json) RETURNS json
    LANGUAGE plpgsql
    AS $$
DECLARE
  nothing text := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  at      timestamptz := clock_timestamp();
  revoked text := data ->> 'user';
  settled timestamptz;
BEGIN
  IF data -> 'before_us' IS NOT NULL THEN
    RETURN data;
  END IF;
  UPDATE pgevents.revocations r SET before = at, revoked_at = at
   WHERE r.user_id = revoked AND r.revoked_at = '-infinity';
  settled := (SELECT r.before FROM pgevents.revocations r WHERE r.user_id = revoked);
  RETURN format('{"user":%s,"before_us":%s}', to_json(revoked), coalesce(pgevents.revocation_us(settled), 0));
END
$$;
CREATE FUNCTION pgevents.revocation_us(before timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT CASE
    WHEN before <= timestamptz '1970-01-01 00:00:00+00' THEN 0
    WHEN before >= timestamptz '9999-01-01 00:00:00+00' THEN 9223372036854775807
    ELSE pgevents.us(before)
  END
$$;
CREATE FUNCTION pgevents.revocations() RETURNS TABLE(user_id text, before_us bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN QUERY SELECT r.user_id, pgevents.revocation_us(r.before) FROM pgevents.revocations r;
END
$$;
CREATE FUNCTION pgevents.revoke(user_id text, before timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  before_us bigint := pgevents.revocation_us(before);
BEGIN
  PERFORM pgevents.check_user(user_id);
  INSERT INTO pgevents.revocations (user_id, before, revoked_at)
    VALUES (revoke.user_id, coalesce(revoke.before, clock_timestamp()),
            CASE WHEN revoke.before IS NULL THEN '-infinity' ELSE now() END)
    ON CONFLICT ON CONSTRAINT revocations_pkey
    DO UPDATE SET before = excluded.before, revoked_at = excluded.revoked_at;
  IF before_us = 0 THEN
    DELETE FROM pgevents.revocations r WHERE r.user_id = revoke.user_id;
  END IF;
  PERFORM pgevents.publish_control('pgevents.revoked',
    CASE WHEN before_us IS NULL THEN format('{"user":%s}', to_json(user_id))
         ELSE format('{"user":%s,"before_us":%s}', to_json(user_id), before_us) END::json);
END
$$;
CREATE FUNCTION pgevents.schema_version() RETURNS TABLE(version integer, serves_from integer)
    LANGUAGE sql IMMUTABLE ROWS 1
    AS $$
  SELECT 12, 7
$$;
CREATE FUNCTION pgevents.sequence(max_rows integer DEFAULT 5000, OUT events integer, OUT turns integer, OUT is_more boolean, OUT is_settled boolean, OUT is_busy boolean, OUT is_sequenced boolean) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  nothing text;
BEGIN
  events := 0; turns := 0; is_more := false; is_busy := false;
  IF current_setting('pgevents.is_sequencer', true) = 'yes'
     AND (SELECT s.value FROM pgevents.settings s WHERE s.name = 'group_commit') IS DISTINCT FROM 'on' THEN
    PERFORM pgevents.sequencer_end();
  END IF;
  is_sequenced := pgevents.is_watched();
  is_settled := pgevents.is_settled();
  IF is_settled OR pg_is_in_recovery() OR pgevents.is_fed() OR current_setting('transaction_read_only') = 'on' THEN
    RETURN;
  END IF;
  is_busy := NOT starts_with(current_setting('transaction_isolation'), 'read')
    OR NOT pg_try_advisory_xact_lock(1885824374, 1);  -- lock "append"
  IF is_busy THEN
    RETURN;
  END IF;
  PERFORM pgevents.check_generation();
  SELECT d.events, d.turns, d.is_more INTO events, turns, is_more FROM pgevents.drain(greatest(max_rows, 1)) d;
  IF events = 0 THEN
    nothing := set_config('synchronous_commit', 'off', true);
    is_settled := pgevents.mark_settled();
  END IF;
END
$$;
CREATE FUNCTION pgevents.sequencer_begin() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF pg_is_in_recovery() OR pgevents.is_fed()
     OR (SELECT s.value FROM pgevents.settings s WHERE s.name = 'group_commit') IS DISTINCT FROM 'on' THEN
    RETURN false;
  END IF;
  -- The lock counts how often it was taken: it is taken once. The setting saves sequence() a look at all locks.
  PERFORM set_config('pgevents.is_sequencer', 'yes', false);
  RETURN pgevents.lock_holder(6) = pg_backend_pid() OR pg_try_advisory_lock(1885824374, 6);  -- lock "sequencer"
END
$$;
CREATE FUNCTION pgevents.sequencer_end() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM set_config('pgevents.is_sequencer', '', false);
  IF pgevents.lock_holder(6) = pg_backend_pid() THEN
    PERFORM pg_advisory_unlock(1885824374, 6);  -- lock "sequencer"
  END IF;
END
$$;
CREATE FUNCTION pgevents.sequencer_ready() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM pg_try_advisory_lock_shared(1885824374, 7);  -- lock "ready"
END
$$;
CREATE FUNCTION pgevents.server_timestamp() RETURNS double precision
    LANGUAGE sql
    AS $$
  SELECT date_part('epoch', clock_timestamp())
$$;
CREATE FUNCTION pgevents.setting_names() RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT ARRAY['retention', 'revocation_retention', 'reserved_types', 'unknown_members', 'group_commit',
    'presence_ping_interval', 'presence_offline_threshold', 'presence_flush_window', 'presence_event_ttl',
    'presence_grace', 'presence_lease', 'typing_started_expiry', 'typing_started_wait', 'typing_stopped_wait',
    'typing_rate']
$$;
CREATE FUNCTION pgevents.settings_check() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  wanted text := CASE
    WHEN NEW.name IN ('reserved_types', 'unknown_members') THEN 'error or warning'
    WHEN NEW.name = 'group_commit' THEN 'on or off'
    WHEN NEW.name IN ('retention', 'revocation_retention') THEN 'an interval greater than 0'
    WHEN NEW.name = 'typing_rate' THEN 'off, or a number of events a minute from 1 to 1000000'
    ELSE 'an interval from 1 millisecond to 7 days' END;
  is_good boolean;
BEGIN
  IF NOT coalesce(NEW.name = ANY (pgevents.setting_names()), false) THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('Setting %s does not exist', to_json(NEW.name)),
      HINT = 'The settings are: ' || array_to_string(pgevents.setting_names(), ', ');
  END IF;
  BEGIN
    is_good := CASE wanted
      WHEN 'error or warning' THEN NEW.value IN ('error', 'warning')
      WHEN 'on or off' THEN NEW.value IN ('on', 'off')
      WHEN 'an interval greater than 0' THEN NEW.value::interval > interval '0'
      WHEN 'an interval from 1 millisecond to 7 days'
        THEN NEW.value::interval BETWEEN interval '1 millisecond' AND interval '7 days'
      ELSE NEW.value = 'off' OR NEW.value ~ '^[1-9][0-9]{0,5}$' OR NEW.value = '1000000' END;
  EXCEPTION WHEN data_exception THEN
    is_good := false;
  END;
  IF NOT coalesce(is_good, false) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      format('Invalid value %s for the setting "%s": must be %s', to_json(NEW.value), NEW.name, wanted));
  END IF;
  PERFORM set_config('pgevents.settings_written', 'yes', true);
  RETURN NEW;
END
$_$;
CREATE FUNCTION pgevents.settings_found() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_WHEN = 'BEFORE' THEN
    PERFORM set_config('pgevents.settings_written', '', true);
  ELSIF current_setting('pgevents.settings_written', true) IS DISTINCT FROM 'yes' THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('No row of pgevents.settings matches: %s', left(current_query(), 200)),
      HINT = format('The settings are: %s. Use INSERT for a setting that has no row yet.',
                    array_to_string(pgevents.setting_names(), ', '));
  END IF;
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.shard_width() RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
  SELECT 100000000000000::bigint
$$;
CREATE FUNCTION pgevents.split_body(body text, OUT type text, OUT inner_data json, OUT expires_at timestamp with time zone) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  object  json;
  unknown text;
  ttl     json;
  seconds numeric;
BEGIN
  BEGIN
    object := body::json;
  EXCEPTION WHEN invalid_text_representation OR statement_too_complex THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'The body is not valid JSON');
  END;
  SELECT s.type, s.inner_data, s.ttl, s.unknown INTO split_body.type, split_body.inner_data, ttl, unknown
    FROM pgevents.split_data(object, '{type,data,ttl}') s;
  IF unknown IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      format('Member %s is unknown: a publication has type, data and ttl', unknown));
  END IF;
  IF ttl IS NULL OR json_typeof(ttl) = 'null' THEN
    RETURN;
  END IF;
  -- With greater exponents the cast to numeric would raise an error of its own.
  IF json_typeof(ttl) = 'number' AND length(ttl::text) <= 40 AND ttl::text !~ '[eE][+-]?[0-9]{4}' THEN
    seconds := (ttl::text)::numeric;
  END IF;
  IF seconds IS NULL OR seconds < 0.001 OR seconds > 3153600000 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid ttl: a number of seconds, from 0.001 to 100 years');
  END IF;
  expires_at := clock_timestamp() + seconds * interval '1 second';
END
$$;
CREATE FUNCTION pgevents.split_data(data json, known text[], OUT type text, OUT inner_data json, OUT ttl json, OUT unknown text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  stand_in  text;
  type_json json;
  excess    int;
BEGIN
  IF strpos(data::text, E'\\u') > 0 THEN
    SELECT h.harmless, h.stand_in INTO data, stand_in FROM pgevents.json_harmless(data) h;
  END IF;
  type_json := data -> 'type';
  IF json_typeof(type_json) IS DISTINCT FROM 'string' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      'Invalid event data: must be a JSON object with a string member "type"');
  END IF;
  inner_data := data -> 'data';
  excess := octet_length(data::text) - 9 - octet_length(type_json::text)
    - coalesce(8 + octet_length(inner_data::text), 0);
  IF excess > 5 OR (excess = 5 AND strpos(data::text, '"":') > 0) THEN
    unknown := pgevents.json_unknown_member(data, known);
    ttl := CASE WHEN 'ttl' = ANY (known) THEN data -> 'ttl' END;
  END IF;
  inner_data := coalesce(inner_data, 'null');
  IF stand_in IS NULL AND strpos(type_json::text, E'\\u') = 0 THEN
    type := type_json #>> '{}';
    RETURN;
  ELSIF stand_in IS NOT NULL THEN
    inner_data := replace(inner_data::text, stand_in, E'\\u');
    type_json := replace(type_json::text, stand_in, E'\\u');
    unknown := replace(unknown, substr(stand_in, 2), E'\\u');
  END IF;
  IF strpos(type_json::text, E'\\u') = 0 THEN
    type := type_json #>> '{}';
    RETURN;
  END IF;
  -- Only types with an escape get here, because a block with a handler costs a subtransaction.
  BEGIN
    type := type_json #>> '{}';
  EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid event type: contains an escape that is no character');
  END;
END
$$;
CREATE FUNCTION pgevents.stage(channel text, type text, data json, ttl interval DEFAULT NULL::interval) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  turn bigint;
BEGIN
  IF NOT pgevents.name_is_sane(channel) THEN
    RETURN;
  END IF;
  IF coalesce(current_setting('pgevents.turn', true), '') = '' THEN  -- the transaction's first event
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
      VALUES (stage.channel, stage.type, stage.data, clock_timestamp() + ttl);
    RETURN;
  END IF;
  turn := pgevents.turn_number();
  IF turn > 0 THEN
    INSERT INTO pgevents.staging_rest (turn, channel_id, type, data, expires_at)
      VALUES (turn, stage.channel, stage.type, stage.data, clock_timestamp() + ttl);
  ELSE
    INSERT INTO pgevents.staging (turn, channel_id, type, data, expires_at)
      VALUES (-turn, stage.channel, stage.type, stage.data, clock_timestamp() + ttl);
  END IF;
END
$$;
CREATE FUNCTION pgevents.staging_sequence() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  nothing text;
BEGIN
  IF current_setting('transaction_isolation') = 'serializable' THEN
    nothing := set_config('pgevents.ready_number', '', true);
  END IF;
  INSERT INTO pgevents.turns (turn, channel_id, type, data, expires_at, staged_at)
    VALUES (NEW.turn, NEW.channel_id, NEW.type, NEW.data, NEW.expires_at, NEW.staged_at);
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.status() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  staged  bigint := 0;
  answer  jsonb;
BEGIN
  IF NOT pg_is_in_recovery() THEN
    staged := (SELECT count(*) FROM pgevents.staging) + (SELECT count(*) FROM pgevents.staging_rest)
      + (SELECT count(*) FROM pgevents.turns);
  END IF;
  -- prune() writes to staging as well; it has its own lock, "prune".
  WITH locks AS (
    SELECT l.pid, bool_or(l.relation = 'pgevents.staging'::regclass AND l.mode = 'RowExclusiveLock') AS publishes,
           bool_or(l.classid = 1885824374 AND l.objid = 1 AND l.objsubid = 2 AND NOT l.granted) AS waits,
           bool_or(l.classid = 1885824374 AND l.objid = 2 AND l.objsubid = 2 AND l.granted) AS prunes
      FROM pg_locks l
     WHERE l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
     GROUP BY l.pid)
  SELECT jsonb_build_object(
      'publishing', count(*) FILTER (WHERE k.publishes AND k.prunes IS NOT TRUE),
      'waiting', count(*) FILTER (WHERE k.publishes AND k.waits)) INTO answer FROM locks k;
  RETURN answer || jsonb_build_object(
    'version', (SELECT max(m.version) FROM pgevents.migrations m),
    'functions', (SELECT s.version FROM pgevents.schema_version() s),
    'head', pgevents.head(),
    'oldest', coalesce((SELECT h.pruned_id FROM pgevents.history h), 1) + 1,
    'events', (SELECT count(*) FROM pgevents.log),
    'generation', (SELECT jsonb_build_object('number', count(*) OVER (), 'first_id', g.first_id, 'begun_at', g.begun_at)
                     FROM pgevents.generations g ORDER BY g.first_id DESC LIMIT 1),
    'append', pgevents.lock_holder(1),
    'staged', staged,
    'group_commit', (SELECT s.value FROM pgevents.settings s WHERE s.name = 'group_commit'),
    'ready', (SELECT count(*) FROM pgevents.ready),
    'settled', pgevents.is_settled(),
    'sequencer', pgevents.lock_holder(6),
    'bytes', jsonb_build_object('log', pg_total_relation_size('pgevents.log'),
                                'staging', pg_total_relation_size('pgevents.staging')
                                  + pg_total_relation_size('pgevents.staging_rest')
                                  + pg_total_relation_size('pgevents.turns'),
                                'ready', pg_total_relation_size('pgevents.ready')),
    'pruned', (SELECT jsonb_build_object('at', p.pruned_at, 'removed', p.removed, 'removed_total', p.removed_total)
                 FROM pgevents.prunes p),
    'revocations', (SELECT count(*) FROM pgevents.revocations),
    'bans', (SELECT count(*) FROM pgevents.revocations r WHERE r.before = 'infinity')) || pgevents.copy_status();
END
$$;
CREATE FUNCTION pgevents.stream_channel(stream_id text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT 'stream:' || stream_id
$$;
CREATE FUNCTION pgevents.success(params jsonb, known text[]) RETURNS text
    LANGUAGE plpgsql
    AS $$
DECLARE
  ignored text[];
BEGIN
  IF jsonb_typeof(params) <> 'object' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'The parameters must be a JSON object');
  END IF;
  SELECT array_agg(k.name ORDER BY k.name COLLATE "C") INTO ignored FROM jsonb_object_keys(params - known) k (name);
  RETURN '"result":"success","msg":""' || coalesce(',"ignored_parameters_unsupported":' || to_json(ignored)::text, '');
END
$$;
CREATE FUNCTION pgevents.timing(name text) RETURNS interval
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  duration interval := (SELECT s.value::interval FROM pgevents.settings s WHERE s.name = timing.name);
BEGIN
  IF duration IS NULL THEN
    RAISE no_data_found USING MESSAGE = format('pgevents.settings has no row %L', timing.name),
      HINT = 'Insert the row again; docs/sql.md, section 13, has the defaults.';
  END IF;
  RETURN duration;
END
$$;
CREATE FUNCTION pgevents.timing_ms(name text) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
  SELECT (date_part('epoch', pgevents.timing(name)) * 1000)::bigint
$$;
CREATE FUNCTION pgevents.timing_seconds(name text) RETURNS double precision
    LANGUAGE sql STABLE
    AS $$
  SELECT date_part('epoch', pgevents.timing(name))
$$;
CREATE FUNCTION pgevents.token_revoked(user_id text, issued_us bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM pgevents.revocations r
     WHERE r.user_id = token_revoked.user_id AND coalesce(issued_us, 0) < pgevents.revocation_us(r.before));
END
$$;
CREATE FUNCTION pgevents.turn_follows(is_control boolean) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  max_rows int;  -- NULL: all
  events   int;
  is_more  boolean;
BEGIN
  IF NOT starts_with(current_setting('transaction_isolation'), 'read') THEN
    RETURN false;
  ELSIF NOT is_control AND current_setting('pgevents.direct', true) IS DISTINCT FROM 'yes'
        AND pgevents.is_expected() THEN
    max_rows := 1000;
  END IF;
  SELECT d.events, d.is_more INTO events, is_more FROM pgevents.drain(max_rows) d;
  IF events = 0 THEN
    PERFORM pgevents.mark_settled();
  END IF;
  RETURN NOT is_more;
END
$$;
CREATE FUNCTION pgevents.turn_is_big(turn bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
BEGIN
  IF turn IS NULL OR current_setting('pgevents.turn', true) = turn::text
     OR current_setting('transaction_isolation') = 'serializable' THEN
    RETURN false;
  END IF;
  RETURN EXISTS (SELECT FROM pgevents.staging_rest s WHERE s.turn = turn_is_big.turn OFFSET 1000);
END
$$;
CREATE FUNCTION pgevents.turn_left(n bigint, events bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  nothing text;
BEGIN
  IF (n - pg_sequence_last_value('pgevents.ready_done'::regclass)) * (events + 10) > 5000 THEN
    FOR batch IN 0 .. events / 2000 LOOP
      nothing := pg_advisory_lock_shared(1885824374, 1)::text ||  -- lock "append"
        pg_advisory_unlock_shared(1885824374, 1)::text;           -- lock "append"
    END LOOP;
  END IF;
  IF NOT pgevents.is_watched() THEN
    nothing := pg_notify('pgevents', 'l');
  END IF;
END
$$;
CREATE FUNCTION pgevents.turn_may_leave(turn bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN current_setting('pgevents.direct', true) IS DISTINCT FROM 'yes'
    AND (pgevents.is_watched() OR pgevents.turn_is_big(turn) AND pgevents.is_expected())
    AND pg_sequence_last_value('pgevents.ready_n'::regclass) - 5000
      < greatest(pg_sequence_last_value('pgevents.ready_done'::regclass),
                 pg_sequence_last_value('pgevents.ready_low'::regclass));
END
$$;
CREATE FUNCTION pgevents.turn_number() RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  state   text := current_setting('pgevents.turn', true);
  nothing text;
BEGIN
  IF state = '=' THEN
    nothing := set_config('pgevents.direct', 'yes', true);
    RETURN -set_config('pgevents.turn', nextval('pgevents.staging_ord')::text, true)::bigint;
  ELSIF right(state, 1) <> '+' THEN
    nothing := set_config('pgevents.turn', state || '+', true);
  END IF;
  IF current_setting('transaction_isolation') = 'serializable' THEN
    RETURN -nextval('pgevents.staging_ord');
  END IF;
  RETURN rtrim(state, '+');
END
$$;
CREATE FUNCTION pgevents.turn_rest(turn bigint, n bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
  moved bigint;
BEGIN
  IF n IS NULL THEN
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      SELECT nextval('pgevents.log_id_seq'), r.channel_id, clock_timestamp(), r.type, r.data, r.expires_at
        FROM (SELECT s.channel_id, s.type, s.data, s.expires_at FROM pgevents.staging_rest s
               WHERE s.turn = turn_rest.turn AND s.staged_at = now() ORDER BY s.ord) r;
  ELSE
    INSERT INTO pgevents.ready (n, ord, channel_id, type, data, expires_at, left_by)
      SELECT turn_rest.n, s.ord, s.channel_id, s.type, s.data, s.expires_at,
             CASE WHEN s.ord = (SELECT max(l.ord) FROM pgevents.staging_rest l
                                 WHERE l.turn = turn_rest.turn AND l.staged_at = now()) THEN pg_current_xact_id() END
        FROM pgevents.staging_rest s
       WHERE s.turn = turn_rest.turn AND s.staged_at = now();
  END IF;
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END
$$;
CREATE FUNCTION pgevents.turn_waits(is_control boolean, turn bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  nothing text;
BEGIN
  nothing := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  IF NOT is_control AND pgevents.turn_may_leave(turn) THEN
    RAISE EXCEPTION 'it may leave';
  END IF;
  RETURN true;
EXCEPTION WHEN raise_exception THEN
  RETURN false;
END
$$;
CREATE FUNCTION pgevents.turn_way(is_control boolean, turn bigint) RETURNS text
    LANGUAGE plpgsql
    AS $$
DECLARE
  settled   boolean := pgevents.is_settled();
  may_leave boolean := NOT is_control AND pgevents.turn_may_leave(turn);
  way       text := 'direct';
  nothing   text;
BEGIN
  IF turn < nullif(current_setting('pgevents.direct_until', true), '')::bigint THEN
    nothing := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
    PERFORM pgevents.check_generation();
    RETURN way;
  ELSIF NOT (settled AND NOT (may_leave AND pgevents.turn_is_big(turn))
             AND pg_try_advisory_xact_lock(1885824374, 1)) THEN  -- lock "append"
    IF may_leave AND pg_try_advisory_xact_lock_shared(1885824374, 5) THEN  -- lock "leaving"
      RETURN 'leave';
    ELSIF NOT pg_try_advisory_xact_lock(1885824374, 1) THEN  -- lock "append"
      way := 'waited';
      IF NOT pgevents.turn_waits(is_control, turn) THEN
        IF pg_try_advisory_xact_lock_shared(1885824374, 5) THEN  -- lock "leaving"
          RETURN 'leave';
        END IF;
        nothing := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
      END IF;
    END IF;
  END IF;
  IF NOT pgevents.generation_is_checked() THEN
    BEGIN
      PERFORM pgevents.check_generation();
      settled := settled AND pgevents.is_settled();
    EXCEPTION WHEN serialization_failure THEN
      IF is_control THEN
        RAISE;
      END IF;
      settled := false;
    END;
  END IF;
  IF NOT settled AND NOT pgevents.turn_follows(is_control) AND NOT is_control THEN
    way := 'leave';
    nothing := pg_advisory_xact_lock_shared(1885824374, 5);  -- lock "leaving"
  END IF;
  RETURN way;
END
$$;
CREATE FUNCTION pgevents.turns_sequence() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  is_single boolean;
  way       text;
  n         bigint;
  events    bigint;
  nothing   text;
BEGIN
  IF (NEW.staged_at = now() AND NEW.channel_id <> 'pgevents.control'
      AND current_setting('pgevents.turn', true) = NEW.turn::text
      AND coalesce(current_setting('pgevents.generation_checked', true), '')
        = 'pgevents.generation_seen'::regclass::oid::text
      AND currval('pgevents.generation_seen'::regclass) > 0
      AND pg_sequence_last_value('pgevents.ready_n'::regclass) <= pg_sequence_last_value('pgevents.ready_low'::regclass)
     ) IS TRUE
     AND pg_try_advisory_xact_lock(1885824374, 1)  -- lock "append"
     AND set_config('pgevents.turn', '=', true) = '=' AND pg_notify('pgevents', '') IS NOT NULL THEN
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      VALUES (nextval('pgevents.log_id_seq'), NEW.channel_id, clock_timestamp(), NEW.type, NEW.data, NEW.expires_at);
    RETURN NULL;
  ELSIF NEW.staged_at IS DISTINCT FROM now() THEN
    RETURN NULL;  -- the row comes from a restored dump: the event was published before
  END IF;
  way := pgevents.turn_way(NEW.channel_id = 'pgevents.control', NEW.turn);
  is_single := NEW.turn IS NULL OR current_setting('transaction_isolation') = 'serializable'
    OR current_setting('pgevents.turn', true) = NEW.turn::text;
  IF current_setting('transaction_isolation') = 'serializable' THEN
    IF way <> 'leave' AND coalesce(current_setting('pgevents.direct_until', true), '') = '' THEN
      nothing := set_config('pgevents.direct_until', nextval('pgevents.staging_ord')::text, true);
    END IF;
  ELSIF NEW.turn IS NOT NULL THEN  -- what is published from now on needs another turn
    nothing := set_config('pgevents.turn', CASE way WHEN 'leave' THEN '' ELSE '=' END, true);
  END IF;
  IF way = 'leave' THEN
    n := pgevents.ready_number();
    INSERT INTO pgevents.ready (n, ord, channel_id, type, data, expires_at)
      VALUES (n, coalesce(NEW.turn, nextval('pgevents.staging_ord')), NEW.channel_id, NEW.type, NEW.data,
              NEW.expires_at);
  ELSE
    IF NEW.type = 'pgevents.revoked' THEN
      NEW.data := pgevents.revocation_settle(NEW.data);
    END IF;
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      VALUES (nextval('pgevents.log_id_seq'), NEW.channel_id, clock_timestamp(), NEW.type, NEW.data, NEW.expires_at);
  END IF;
  IF NOT is_single THEN
    events := pgevents.turn_rest(NEW.turn, n);
  END IF;
  IF way = 'leave' THEN
    nothing := pgevents.turn_left(n, coalesce(events, 0) + 1);
  ELSE
    nothing := pg_notify('pgevents', CASE way WHEN 'waited' THEN 'w' ELSE '' END);
  END IF;
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.type_reserved(type text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT format('Event type ''%s'' is reserved: an EventSource would take it for its own event', type)
$$;
CREATE FUNCTION pgevents.typing_charge(realm text, user_id text, events integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
  rate  text := (SELECT s.value FROM pgevents.settings s WHERE s.name = 'typing_rate');
  at    timestamptz := clock_timestamp();
  count record;
BEGIN
  IF coalesce(rate, 'off') = 'off' THEN
    RETURN;
  END IF;
  INSERT INTO pgevents.typing_counts AS c (realm, user_id, since, events)
    VALUES (typing_charge.realm, typing_charge.user_id, at, typing_charge.events)
    ON CONFLICT (realm, user_id) DO UPDATE SET
      since = CASE WHEN c.since BETWEEN at - interval '1 minute' AND at THEN c.since ELSE at END,
      events = CASE WHEN c.since BETWEEN at - interval '1 minute' AND at THEN c.events ELSE 0 END + excluded.events
    RETURNING c.since, c.events INTO count;
  IF count.events > rate::bigint THEN
    RAISE EXCEPTION USING ERRCODE = 'PT429', MESSAGE = 'Too many typing notifications',
      DETAIL = format('{"code":"RATE_LIMIT_HIT","retry-after":%s}',
        greatest(1, ceil(date_part('epoch', count.since + interval '1 minute' - at))));
  END IF;
END
$$;
CREATE FUNCTION pgevents.typing_direct(realm text, user_id text, may_send boolean, op text, people jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
  ids     text[];
  wrong   text;
  payload json;
  expiry  interval := pgevents.timing('typing_started_expiry');
BEGIN
  IF people IS NULL THEN
    PERFORM pgevents.param_missing('to');
  ELSIF people = '[]' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Empty ''to'' list');
  ELSIF NOT may_send THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'User has disabled typing notifications for direct messages');
  ELSIF jsonb_array_length(people) > 100 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Too many recipients: at most 100');
  END IF;
  SELECT e.value #>> '{}' INTO wrong FROM jsonb_array_elements(people) WITH ORDINALITY e
    LEFT JOIN LATERAL (SELECT true AS is_known FROM pgevents.users u
       WHERE u.realm = typing_direct.realm AND u.user_id = e.value #>> '{}' OFFSET 0) u ON true
   WHERE jsonb_typeof(e.value) NOT IN ('string', 'number') OR u.is_known IS NULL
   ORDER BY e.ordinality LIMIT 1;
  IF FOUND THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid user ID ' || coalesce(left(wrong, 100), 'null'));
  END IF;
  SELECT array_agg(first.id ORDER BY first.place) INTO ids
    FROM (SELECT e.value #>> '{}' AS id, min(e.ordinality) AS place
            FROM jsonb_array_elements(people || to_jsonb(typing_direct.user_id)) WITH ORDINALITY e GROUP BY 1) first;
  PERFORM pgevents.typing_charge(realm, user_id, array_length(ids, 1));
  payload := format('{"op":%s,"message_type":"direct","sender":{"user_id":%s},"recipients":[%s]}',
    to_json(op), to_json(typing_direct.user_id),
    (SELECT string_agg('{"user_id":' || to_json(i.id) || '}', ',') FROM unnest(ids) i (id)));
  PERFORM pgevents.stage(c.channel, 'typing', payload, expiry)
     FROM (SELECT DISTINCT pgevents.user_channel(typing_direct.realm, i.id) AS channel FROM unnest(ids) i (id)
            CROSS JOIN LATERAL (SELECT FROM pgevents.users u WHERE u.realm = typing_direct.realm AND u.user_id = i.id
                                   AND u.is_active AND u.receives_typing_notifications OFFSET 0) u) c;
END
$$;
CREATE FUNCTION pgevents.typing_stream(realm text, user_id text, may_send boolean, op text, stream_id text, topic text) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
BEGIN
  IF stream_id IS NULL THEN
    PERFORM pgevents.param_missing('stream_id');
  ELSIF topic IS NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Missing topic');
  ELSIF octet_length(topic) > 1000 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Topic too long: at most 1000 bytes');
  ELSIF NOT may_send THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'User has disabled typing notifications for channel messages');
  END IF;
  IF NOT EXISTS (SELECT FROM pgevents.streams s
       WHERE s.stream_id = typing_stream.stream_id AND s.realm = typing_stream.realm AND NOT s.is_archived)
     OR NOT EXISTS (SELECT FROM pgevents.stream_members m
       WHERE m.stream_id = typing_stream.stream_id AND m.user_id = typing_stream.user_id) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid channel ID');
  END IF;
  PERFORM pgevents.typing_charge(realm, user_id, 1);
  PERFORM pgevents.stage(pgevents.stream_channel(stream_id), 'typing',
    format('{"op":%s,"message_type":"stream","sender":{"user_id":%s},"stream_id":%s,"topic":%s}',
      to_json(op), to_json(user_id), to_json(stream_id), to_json(topic))::json,
    pgevents.timing('typing_started_expiry'));
END
$$;
CREATE FUNCTION pgevents.unwatch(relation regclass, channel text DEFAULT NULL::text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  watch record;
  name  text;
  ended int := 0;
BEGIN
  FOR watch IN
    SELECT p.oid::regprocedure AS function, p.proowner::regrole AS owner, array_agg(t.tgname::text) AS triggers
      FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE t.tgrelid = relation AND t.tgparentid = 0 AND starts_with(p.proname, 'pgevents_watch_')
       AND substr(t.tgname, length(p.proname) + 1) IN ('_row', '_truncate')
       AND starts_with(t.tgname, p.proname)
       AND CASE WHEN t.tgnargs = 1 AND channel IS NOT NULL
                THEN convert_from(substr(t.tgargs, 1, length(t.tgargs) - 1), 'UTF8') = channel ELSE channel IS NULL END
     GROUP BY p.oid, p.proowner ORDER BY p.oid
  LOOP
    FOREACH name IN ARRAY watch.triggers LOOP
      EXECUTE format('DROP TRIGGER %I ON %s', name, relation);
    END LOOP;
    BEGIN
      EXECUTE format('DROP FUNCTION %s', watch.function);
    EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist THEN
      RAISE NOTICE USING MESSAGE = format('The function %s is left: %s', watch.function, SQLERRM),
        HINT = format('%s may drop it; it is no longer a trigger of %s.', watch.owner, relation);
    END;
    ended := ended + 1;
  END LOOP;
  RETURN ended;
END
$$;
CREATE FUNCTION pgevents.us(ts timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT (pg_catalog.date_part('epoch', ts) * 1000000)::bigint
$$;
CREATE FUNCTION pgevents.user_channel(realm text, user_id text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT CASE realm WHEN 'main' THEN 'user:'
              ELSE 'user@' || replace(replace(realm, '=', '=3D'), ':', '=3A') || ':' END || user_id
$$;
CREATE FUNCTION pgevents.watch(relation regclass, channel text, columns text[], type text DEFAULT NULL::text, old_values boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  schema regnamespace := (SELECT c.relnamespace FROM pg_class c WHERE c.oid = relation);
  statement text;
BEGIN
  IF (SELECT pg_has_role(current_user, c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = relation) IS NOT TRUE THEN
    RAISE EXCEPTION 'must be owner of %', relation USING ERRCODE = '42501';
  ELSIF NOT has_schema_privilege(schema, 'CREATE') THEN
    RAISE EXCEPTION 'permission denied for schema %, in which watch() creates a function; GRANT CREATE ON SCHEMA % TO %',
      schema, schema, current_user::regrole USING ERRCODE = '42501';
  END IF;
  PERFORM pgevents.unwatch(relation, channel);
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
  FOREACH statement IN ARRAY pgevents.watch_statements(relation, channel, columns, type, old_values) LOOP
    EXECUTE statement;
  END LOOP;
END
$$;
CREATE FUNCTION pgevents.watch_body(relation regclass, template text, columns text[], type text, old_values boolean) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $_$
DECLARE
  side    text := E'  IF TG_OP <> %1$L THEN\n    %2$s_channel := %3$s;\n    %2$s_key := ARRAY[%4$s]::text[];\n'
                  '    %2$s_image := %5$s;\n  END IF;';
  publish text := '      PERFORM pgevents.publish(%s_channel, %L, (%s || %s_image || ''}'')::json);';
BEGIN
  RETURN concat_ws(E'\n', '', 'DECLARE',
    '  old_channel text;', '  old_key text[];', '  old_image text;',
    '  new_channel text;', '  new_key text[];', '  new_image text;',
    'BEGIN',
    $q$  IF to_regnamespace('pgevents') IS NULL THEN  -- pgevents was removed$q$,
    '    RETURN NULL;',
    $q$  ELSIF TG_OP = 'TRUNCATE' THEN$q$,
    format('    EXECUTE %L || TG_RELID::regclass || '' r'';', format(
      'SELECT pgevents.publish(%s, %L, (''{"old":'' || %s || ''}'')::json) FROM ',
      pgevents.watch_channel(relation, template, 'r'), type || '_deleted', pgevents.watch_image(columns, 'r'))),
    '    RETURN NULL;',
    '  END IF;',
    format(side, 'INSERT', 'old', pgevents.watch_channel(relation, template, 'OLD'),
           pgevents.watch_key(relation, 'OLD'), pgevents.watch_image(columns, 'OLD')),
    format(side, 'DELETE', 'new', pgevents.watch_channel(relation, template, 'NEW'),
           pgevents.watch_key(relation, 'NEW'), pgevents.watch_image(columns, 'NEW')),
    '  IF old_channel = new_channel AND old_key = new_key THEN',
    '    IF old_image <> new_image THEN',
    format(publish, 'new', type || '_updated',
      CASE WHEN old_values THEN $q$'{"old":' || old_image || ',"new":'$q$ ELSE $q$'{"new":'$q$ END, 'new'),
    '    END IF;',
    '  ELSE',
    '    IF old_channel IS NOT NULL THEN',
    format(publish, 'old', type || '_deleted', $q$'{"old":'$q$, 'old'),
    '    END IF;',
    '    IF new_channel IS NOT NULL THEN',
    format(publish, 'new', type || '_created', $q$'{"new":'$q$, 'new'),
    '    END IF;',
    '  END IF;', '  RETURN NULL;', 'END', '');
END
$_$;
CREATE FUNCTION pgevents.watch_channel(relation regclass, template text, alias text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $_$
DECLARE
  word    text := substring(template COLLATE "C" from '^[A-Za-z0-9_-]*');
  missing text := (SELECT m[1] FROM regexp_matches(template, '[{]([^{}]*)[}]', 'g') m
                    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = m[1]
                                         AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated IN ('', 's'))
                    LIMIT 1);
  fault   text := CASE
    WHEN (template COLLATE "C" ~ '^[A-Za-z0-9_-]+([.:@=+]([A-Za-z0-9_.:@=+-]|[{][^{}]+[}])*)?$') IS NOT TRUE
      THEN 'it must begin with a word and one of .:@=+, and have no other characters than these outside of {column}'
    WHEN word IN ('user', 'presence', 'stream', 'pgevents') THEN format('the prefix %s is reserved', word)
    WHEN template COLLATE "C" ~ '[}][A-Za-z0-9_-]*[{]' THEN 'one of .:@=+ must stand between two columns'
    WHEN octet_length(regexp_replace(template, '[{][^{}]*[}]', '', 'g')) > 255 THEN 'it is longer than 255 bytes'
    WHEN missing IS NOT NULL THEN format('%s has no column %I', relation, missing) END;
BEGIN
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', format('Invalid channel %s: %s', to_json(template), fault));
  END IF;
  RETURN (SELECT string_agg(CASE
             WHEN m.part[1] IS NOT NULL THEN quote_literal(m.part[1])
             WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype)
               THEN format('coalesce(%1$s.%2$I::text, pgevents.channel_value(%1$s.%2$I::text, %2$L))', alias,
                           a.attname)
             ELSE format('pgevents.channel_value(%1$s.%2$I::text, %2$L)', alias, a.attname) END, ' || ' ORDER BY m.n)
            FROM regexp_matches(template, '([^{}]+)|[{]([^{}]+)[}]', 'g') WITH ORDINALITY m (part, n)
            LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attname = m.part[2] AND a.attnum > 0);
END
$_$;
CREATE FUNCTION pgevents.watch_check(relation regclass, columns text[], type text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  watched pg_class := (SELECT c FROM pg_class c WHERE c.oid = relation);
  wrong   text := (SELECT w.name FROM unnest(columns) WITH ORDINALITY w (name, n) LEFT JOIN pg_attribute a
                     ON a.attrelid = relation AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
                  WHERE a.attname IS NULL ORDER BY w.n LIMIT 1);
  fault   text := CASE
    WHEN (watched.relkind IN ('r', 'p')) IS NOT TRUE
      THEN format('%s is not a table', coalesce(relation::text, 'NULL'))
    WHEN watched.relpersistence = 't' THEN format('%s is a temporary table', relation)
    WHEN watched.relnamespace IN ('pgevents'::regnamespace, 'pg_catalog'::regnamespace)
      THEN format('%s is a table of the system', relation)
    WHEN watched.relispartition THEN format('%s is a partition: watch the partitioned table', relation)
    WHEN EXISTS (SELECT FROM pg_inherits i WHERE watched.relkind = 'r' AND relation IN (i.inhparent, i.inhrelid))
      THEN format('%s inherits, or is inherited from', relation)
    WHEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisprimary AND NOT i.indimmediate)
      THEN format('the primary key of %s is deferrable', relation)
    WHEN coalesce(cardinality(columns), 0) = 0 THEN 'name the columns to publish'
    WHEN array_ndims(columns) > 1 THEN 'the list of columns has more than one dimension'
    WHEN '*' = ANY (columns) THEN 'name the columns: * would publish those that are added later'
    WHEN array_position(columns, NULL) IS NOT NULL THEN 'a column is NULL'
    WHEN wrong IS NOT NULL THEN format('%s has no column %I', relation, wrong)
    WHEN cardinality(columns) <> (SELECT count(DISTINCT name) FROM unnest(columns) name) THEN 'a column occurs twice'
    WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = ANY (columns)
                    AND a.attgenerated NOT IN ('', 's')) THEN 'triggers do not see virtual generated columns'
    WHEN type = '' THEN 'the type is empty'
    ELSE pgevents.event_fault('c', type || '_created', NULL) END;
BEGIN
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Cannot watch: ' || fault);
  ELSIF NOT (has_schema_privilege(watched.relowner, 'pgevents', 'USAGE')
             AND has_function_privilege(watched.relowner, 'pgevents.channel_value(text, text)', 'EXECUTE')
             AND has_function_privilege(watched.relowner, 'pgevents.publish(text, text, json, interval)', 'EXECUTE'))
  THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('Role %s, which owns %s, may not publish',
      watched.relowner::regrole, relation), HINT = format('GRANT pgevents_publisher TO %s', watched.relowner::regrole);
  END IF;
END
$$;
CREATE FUNCTION pgevents.watch_image(columns text[], alias text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT string_agg(format('%L || coalesce(to_json(%s.%I)::text, ''null'')',
                           CASE w.n WHEN 1 THEN '{' ELSE ',' END || to_json(w.name) || ':', alias, w.name),
                    ' || ' ORDER BY w.n) || ' || ''}'''
    FROM unnest(columns) WITH ORDINALITY w (name, n)
$$;
CREATE FUNCTION pgevents.watch_key(relation regclass, alias text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT coalesce(string_agg(format('%s.%I::text', alias, a.attname), ', ' ORDER BY a.attnum), '')
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = ANY (i.indkey)
   WHERE i.indrelid = relation AND i.indisprimary
$$;
CREATE FUNCTION pgevents.watch_name(relation regclass) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  watched pg_class := (SELECT c FROM pg_class c WHERE c.oid = relation);
  tables  oid[] := ARRAY(SELECT p.relid::oid FROM pg_partition_tree(relation) p) || watched.oid;
  stem    text := 'pgevents_watch_'
            || CASE WHEN octet_length(watched.relname) <= 30 THEN watched.relname ELSE md5(watched.relname) END;
  name    text := stem;
  n       int := 1;
BEGIN
  WHILE EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = watched.relnamespace AND p.proname = name)
     OR EXISTS (SELECT FROM pg_trigger t
                 WHERE t.tgrelid = ANY (tables) AND t.tgname IN (name || '_row', name || '_truncate')) LOOP
    n := n + 1;
    name := stem || '_' || n;
  END LOOP;
  RETURN name;
END
$$;
CREATE FUNCTION pgevents.watch_statements(relation regclass, channel text, columns text[], type text DEFAULT NULL::text, old_values boolean DEFAULT false) RETURNS text[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  watched  pg_class := (SELECT c FROM pg_class c WHERE c.oid = relation);
  name     text;
  function text;
BEGIN
  type := coalesce(type, watched.relname);
  old_values := coalesce(old_values, false);
  PERFORM pgevents.watch_check(relation, columns, type);
  name := pgevents.watch_name(relation);
  function := format('%s.%I', watched.relnamespace::regnamespace, name);
  RETURN ARRAY[
    format('CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
           'SET search_path = pg_catalog, pg_temp SET TimeZone = ''UTC'' SET DateStyle = ''ISO, YMD'' '
           'SET IntervalStyle = postgres SET bytea_output = hex SET extra_float_digits = 1 SET row_security = off '
           'AS %L', function, pgevents.watch_body(relation, channel, columns, type, old_values)),
    format('COMMENT ON FUNCTION %s() IS %L', function, format(
      'pgevents.watch(%L, channel => %L, columns => %L, type => %L, old_values => %L)', relation, channel, columns,
      type, old_values)),
    format('REVOKE ALL ON FUNCTION %s() FROM %s', function, concat_ws(', ', 'PUBLIC', (
      SELECT string_agg(DISTINCT a.grantee::regrole::text, ', ') FROM pg_default_acl d, aclexplode(d.defaclacl) a
       WHERE d.defaclobjtype = 'f' AND a.grantee NOT IN (0, watched.relowner)))),
    format('ALTER FUNCTION %s() OWNER TO %s', function, watched.relowner::regrole),
    format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s(%L)',
           name || '_row', relation, function, channel),
    format('CREATE TRIGGER %I BEFORE TRUNCATE ON %s EXECUTE FUNCTION %s(%L)',
           name || '_truncate', relation, function, channel)];
END
$$;
CREATE TABLE pgevents.connections (
    realm text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    holder bigint NOT NULL,
    until timestamp with time zone,
    left_at timestamp with time zone
);
COMMENT ON TABLE pgevents.connections IS 'Which users are connected through which holder';
CREATE TABLE pgevents.copy_mark (
    is_set boolean DEFAULT true NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT copy_mark_is_set_check CHECK (is_set)
);
COMMENT ON TABLE pgevents.copy_mark IS 'One row from become_copy() to promote_copy(): this database gives no ids';
CREATE UNLOGGED TABLE pgevents.crash_mark (
    is_set boolean DEFAULT true NOT NULL,
    CONSTRAINT crash_mark_is_set_check CHECK (is_set)
);
COMMENT ON TABLE pgevents.crash_mark IS 'One row, which a crash removes, because it empties every unlogged table';
CREATE TABLE pgevents.log (
    id bigint NOT NULL,
    channel_id text NOT NULL COLLATE pg_catalog."C",
    ts timestamp with time zone NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    data json NOT NULL,
    expires_at timestamp with time zone
)
WITH (autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.05');
COMMENT ON TABLE pgevents.log IS 'All kept events, ids in commit order';
CREATE VIEW pgevents.events AS
 SELECT log.id,
    log.channel_id,
    log.ts,
    json_build_object('type', log.type, 'data', log.data) AS data,
    log.expires_at
   FROM pgevents.log;
COMMENT ON VIEW pgevents.events IS 'Insert (channel_id, data) to publish; select to read the log';
CREATE SEQUENCE pgevents.generation_seen
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE pgevents.generations (
    first_id bigint NOT NULL,
    after_id bigint NOT NULL,
    place text NOT NULL,
    begun_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT generations_check CHECK ((after_id < first_id))
);
COMMENT ON TABLE pgevents.generations IS 'Ids between after_id and first_id were given by another database, or by none';
CREATE TABLE pgevents.history (
    only_row boolean DEFAULT true NOT NULL,
    pruned_id bigint NOT NULL,
    pruned_ts timestamp with time zone NOT NULL,
    CONSTRAINT history_only_row_check CHECK (only_row)
);
COMMENT ON TABLE pgevents.history IS 'How far the log has been pruned (one row)';
CREATE TABLE pgevents.idempotency_keys (
    scope bytea NOT NULL,
    body_digest bytea NOT NULL,
    event_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE pgevents.idempotency_keys IS 'Publications by idempotency key, kept for 24 hours';
CREATE SEQUENCE pgevents.log_id_seq
    START WITH 2
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE pgevents.migrations (
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE pgevents.migrations IS 'Which migrations have been applied';
CREATE VIEW pgevents.outbox AS
 SELECT NULL::uuid AS outbox_id,
    (NULL::text COLLATE "C") AS channel_id,
    (NULL::text COLLATE "C") AS type,
    NULL::json AS data,
    NULL::timestamp with time zone AS expires_at
  WHERE false;
COMMENT ON VIEW pgevents.outbox IS 'Insert (channel_id, type, data) to publish; shows no rows';
COMMENT ON COLUMN pgevents.outbox.outbox_id IS 'The key of the insert, for the application alone: not the event''s id, and no cursor';
CREATE TABLE pgevents.presence (
    realm text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    active_at timestamp with time zone,
    active_told_at timestamp with time zone,
    idle_at timestamp with time zone NOT NULL,
    is_connected boolean DEFAULT false NOT NULL,
    update_id bigint DEFAULT 0 NOT NULL,
    times_id bigint DEFAULT 0 NOT NULL,
    connected_id bigint DEFAULT 0 NOT NULL,
    CONSTRAINT presence_active_at_check CHECK (isfinite(active_at)),
    CONSTRAINT presence_check CHECK ((active_at <= idle_at))
);
COMMENT ON TABLE pgevents.presence IS 'When each user was last active, and last in contact';
CREATE TABLE pgevents.presence_holders (
    holder bigint NOT NULL,
    alive_until timestamp with time zone NOT NULL,
    is_gone boolean DEFAULT false NOT NULL
);
COMMENT ON TABLE pgevents.presence_holders IS 'Presence sessions: processes that hold connections, each with a lease';
ALTER TABLE pgevents.presence_holders ALTER COLUMN holder ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgevents.presence_holders_holder_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE pgevents.presence_realms (
    realm text NOT NULL COLLATE pg_catalog."C",
    flushed_id bigint DEFAULT 0 NOT NULL,
    flushed_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    is_dirty boolean DEFAULT false NOT NULL
);
COMMENT ON TABLE pgevents.presence_realms IS 'The update id up to which events have reported the changes of a realm';
CREATE SEQUENCE pgevents.presence_update_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE pgevents.prunes (
    only_row boolean DEFAULT true NOT NULL,
    pruned_at timestamp with time zone NOT NULL,
    removed bigint NOT NULL,
    removed_total bigint NOT NULL,
    CONSTRAINT prunes_only_row_check CHECK (only_row)
);
COMMENT ON TABLE pgevents.prunes IS 'The last call of prune(), and how many rows all calls have removed (one row)';
CREATE TABLE pgevents.ready (
    n bigint NOT NULL,
    ord bigint NOT NULL,
    channel_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    data json NOT NULL,
    expires_at timestamp with time zone,
    left_by xid8 DEFAULT pg_current_xact_id()
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_cost_delay='0');
COMMENT ON TABLE pgevents.ready IS 'Events of committed transactions that have no ids yet';
CREATE SEQUENCE pgevents.ready_done
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE SEQUENCE pgevents.ready_low
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE UNLOGGED TABLE pgevents.ready_marks (
    generation bigint NOT NULL,
    last bigint NOT NULL,
    made_by xid8 DEFAULT pg_current_xact_id() NOT NULL,
    after bigint NOT NULL,
    passed xid8[] NOT NULL
);
COMMENT ON TABLE pgevents.ready_marks IS 'Where the search for events without ids begins; one row, or none';
CREATE SEQUENCE pgevents.ready_n
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE pgevents.revocations (
    user_id text NOT NULL COLLATE pg_catalog."C",
    before timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE pgevents.revocations IS 'Users whose tokens issued before a time are rejected; infinity: all, until it is lifted';
CREATE TABLE pgevents.settings (
    name text NOT NULL,
    value text NOT NULL
);
COMMENT ON TABLE pgevents.settings IS 'Settings: how long things are kept, timings of presence and typing, how strict publishing is';
CREATE SEQUENCE pgevents.staging_ord
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 100;
CREATE UNLOGGED TABLE pgevents.staging (
    turn bigint DEFAULT (set_config('pgevents.turn'::text, (nextval('pgevents.staging_ord'::regclass))::text, true))::bigint,
    channel_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    data json NOT NULL,
    expires_at timestamp with time zone,
    staged_at timestamp with time zone DEFAULT now()
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');
COMMENT ON TABLE pgevents.staging IS 'Events on their way to the log, which they reach at COMMIT: the first of each turn';
CREATE UNLOGGED TABLE pgevents.staging_rest (
    turn bigint NOT NULL,
    ord bigint DEFAULT nextval('pgevents.staging_ord'::regclass) NOT NULL,
    channel_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    data json NOT NULL,
    expires_at timestamp with time zone,
    staged_at timestamp with time zone DEFAULT now()
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');
COMMENT ON TABLE pgevents.staging_rest IS 'The further events of each turn, on their way to the log';
CREATE TABLE pgevents.stream_members (
    stream_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C"
);
COMMENT ON TABLE pgevents.stream_members IS 'The users who may write in a stream, filled by the application; may be replaced by a view';
CREATE TABLE pgevents.streams (
    stream_id text NOT NULL COLLATE pg_catalog."C",
    realm text DEFAULT 'main'::text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    is_archived boolean DEFAULT false NOT NULL,
    CONSTRAINT streams_names_sane CHECK ((((octet_length(stream_id) >= 1) AND (octet_length(stream_id) <= 255)) AND ((octet_length(realm) >= 1) AND (octet_length(realm) <= 255)) AND ((stream_id || realm) !~ '[\u0001-\u001f\u007f]'::text)))
);
COMMENT ON TABLE pgevents.streams IS 'The streams (conversations), filled by the application; may be replaced by a view';
CREATE UNLOGGED TABLE pgevents.turns (
    turn bigint,
    channel_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    data json NOT NULL,
    expires_at timestamp with time zone,
    staged_at timestamp with time zone
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');
COMMENT ON TABLE pgevents.turns IS 'The first event of each turn, in the second round at COMMIT';
CREATE UNLOGGED TABLE pgevents.typing_counts (
    realm text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    since timestamp with time zone NOT NULL,
    events bigint NOT NULL
);
COMMENT ON TABLE pgevents.typing_counts IS 'Number of typing events by user, while the setting typing_rate is on';
CREATE TABLE pgevents.users (
    realm text DEFAULT 'main'::text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    is_active boolean DEFAULT true NOT NULL,
    is_bot boolean DEFAULT false NOT NULL,
    presence_enabled boolean DEFAULT true NOT NULL,
    send_private_typing_notifications boolean DEFAULT true NOT NULL,
    send_stream_typing_notifications boolean DEFAULT true NOT NULL,
    receives_typing_notifications boolean DEFAULT true NOT NULL,
    joined_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_joined_at_check CHECK (isfinite(joined_at)),
    CONSTRAINT users_names_sane CHECK ((((octet_length(realm) >= 1) AND (octet_length(realm) <= 255)) AND ((octet_length(user_id) >= 1) AND (octet_length(user_id) <= 255)) AND ((realm || user_id) !~ '[\u0001-\u001f\u007f]'::text)))
);
COMMENT ON TABLE pgevents.users IS 'The users, filled by the application; may be replaced by a view';
ALTER TABLE ONLY pgevents.outbox ALTER COLUMN outbox_id SET DEFAULT gen_random_uuid();
ALTER TABLE ONLY pgevents.connections
    ADD CONSTRAINT connections_pkey PRIMARY KEY (realm, user_id, holder);
ALTER TABLE ONLY pgevents.copy_mark
    ADD CONSTRAINT copy_mark_pkey PRIMARY KEY (is_set);
ALTER TABLE ONLY pgevents.crash_mark
    ADD CONSTRAINT crash_mark_pkey PRIMARY KEY (is_set);
ALTER TABLE ONLY pgevents.generations
    ADD CONSTRAINT generations_pkey PRIMARY KEY (first_id);
ALTER TABLE ONLY pgevents.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY pgevents.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope);
ALTER TABLE ONLY pgevents.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY pgevents.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY pgevents.presence_holders
    ADD CONSTRAINT presence_holders_pkey PRIMARY KEY (holder);
ALTER TABLE ONLY pgevents.presence
    ADD CONSTRAINT presence_pkey PRIMARY KEY (realm, user_id);
ALTER TABLE ONLY pgevents.presence_realms
    ADD CONSTRAINT presence_realms_pkey PRIMARY KEY (realm);
ALTER TABLE ONLY pgevents.prunes
    ADD CONSTRAINT prunes_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY pgevents.ready_marks
    ADD CONSTRAINT ready_marks_pkey PRIMARY KEY (generation, last);
ALTER TABLE ONLY pgevents.ready
    ADD CONSTRAINT ready_pkey PRIMARY KEY (n, ord);
ALTER TABLE ONLY pgevents.revocations
    ADD CONSTRAINT revocations_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY pgevents.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (name);
ALTER TABLE ONLY pgevents.stream_members
    ADD CONSTRAINT stream_members_pkey PRIMARY KEY (stream_id, user_id);
ALTER TABLE ONLY pgevents.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (stream_id);
ALTER TABLE ONLY pgevents.typing_counts
    ADD CONSTRAINT typing_counts_pkey PRIMARY KEY (realm, user_id);
ALTER TABLE ONLY pgevents.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (realm, user_id);
CREATE INDEX connections_holder_idx ON pgevents.connections USING btree (holder);
CREATE INDEX connections_left_at_idx ON pgevents.connections USING btree (left_at) WHERE (left_at IS NOT NULL);
CREATE INDEX connections_until_idx ON pgevents.connections USING btree (until) WHERE (until IS NOT NULL);
CREATE INDEX idempotency_keys_created_at_idx ON pgevents.idempotency_keys USING btree (created_at);
CREATE INDEX log_channel_id_id_idx ON pgevents.log USING btree (channel_id, id);
CREATE INDEX log_expires_at_idx ON pgevents.log USING btree (expires_at) WHERE (expires_at IS NOT NULL);
CREATE INDEX log_ts_id_idx ON pgevents.log USING btree (ts, id);
CREATE INDEX presence_realm_update_id_idx ON pgevents.presence USING btree (realm, update_id);
CREATE INDEX presence_realms_dirty_idx ON pgevents.presence_realms USING btree (realm) WHERE is_dirty;
CREATE INDEX ready_left_by_idx ON pgevents.ready USING btree (left_by) WHERE (left_by IS NOT NULL);
CREATE INDEX revocations_settled_idx ON pgevents.revocations USING btree (GREATEST(before, revoked_at));
CREATE INDEX staging_rest_turn_ord_idx ON pgevents.staging_rest USING btree (turn, ord);
CREATE TRIGGER events_insert INSTEAD OF INSERT ON pgevents.events FOR EACH ROW EXECUTE FUNCTION pgevents.events_insert();
CREATE TRIGGER events_refuse_change INSTEAD OF DELETE OR UPDATE ON pgevents.events FOR EACH ROW EXECUTE FUNCTION pgevents.events_refuse_change();
CREATE TRIGGER log_notify AFTER INSERT ON pgevents.log FOR EACH ROW EXECUTE FUNCTION pgevents.log_notify();
ALTER TABLE pgevents.log ENABLE REPLICA TRIGGER log_notify;
CREATE TRIGGER outbox_insert INSTEAD OF INSERT ON pgevents.outbox FOR EACH ROW EXECUTE FUNCTION pgevents.outbox_insert();
CREATE TRIGGER outbox_refuse_change INSTEAD OF DELETE OR UPDATE ON pgevents.outbox FOR EACH ROW EXECUTE FUNCTION pgevents.events_refuse_change();
CREATE TRIGGER settings_check BEFORE INSERT OR UPDATE ON pgevents.settings FOR EACH ROW EXECUTE FUNCTION pgevents.settings_check();
CREATE TRIGGER settings_found_after AFTER UPDATE ON pgevents.settings FOR EACH STATEMENT EXECUTE FUNCTION pgevents.settings_found();
CREATE TRIGGER settings_found_before BEFORE UPDATE ON pgevents.settings FOR EACH STATEMENT EXECUTE FUNCTION pgevents.settings_found();
CREATE CONSTRAINT TRIGGER staging_sequence AFTER INSERT ON pgevents.staging DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgevents.staging_sequence();
ALTER TABLE pgevents.staging ENABLE ALWAYS TRIGGER staging_sequence;
CREATE CONSTRAINT TRIGGER turns_sequence AFTER INSERT ON pgevents.turns DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgevents.turns_sequence();
ALTER TABLE pgevents.turns ENABLE ALWAYS TRIGGER turns_sequence;
GRANT USAGE ON SCHEMA pgevents TO pgevents_server;
GRANT USAGE ON SCHEMA pgevents TO pgevents_publisher;
GRANT USAGE ON SCHEMA pgevents TO pgevents_admin;
REVOKE ALL ON FUNCTION pgevents.answer(VARIADIC members text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.append(channel text, type text, data json, expires_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.append_lock() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.become_copy(conninfo text, version integer, slot text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.become_shard(number integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.begin_generation(first bigint, after bigint, place text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.caller(identity jsonb, OUT realm text, OUT user_id text, OUT is_bot boolean, OUT presence_enabled boolean, OUT send_private_typing_notifications boolean, OUT send_stream_typing_notifications boolean, OUT receives_typing_notifications boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.change_settings(realm text, user_id text, changes jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.channel_kind(realm text, channel text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.channel_matches(channel text, template text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.channel_name(kind text, realm text, id text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.channel_value(value text, name text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.channel_value(value text, name text) TO pgevents_publisher;
REVOKE ALL ON FUNCTION pgevents.check_generation() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.check_user(user_id text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.client_timings() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.complain(setting text, message text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.connections_write(reports jsonb, holder bigint, until timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.copied_tables() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.copy_complete() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.copy_guard(is_on boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.copy_lag(after bigint, OUT ids bigint, OUT ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.copy_lag(after bigint, OUT ids bigint, OUT ms bigint) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.copy_owner() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.copy_refuses() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.copy_state(OUT is_copy boolean, OUT is_running boolean, OUT errors bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.copy_state(OUT is_copy boolean, OUT is_running boolean, OUT errors bigint) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.copy_status() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.copy_warnings(role text, publication jsonb, slots jsonb, feed jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.create_publication(reader text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.directory_user(realm text, user_id text, OUT is_known boolean, OUT is_bot boolean, OUT presence_enabled boolean, OUT send_private_typing_notifications boolean, OUT send_stream_typing_notifications boolean, OUT receives_typing_notifications boolean, OUT joined_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.disconnect(user_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.disconnect(user_id text) TO pgevents_admin;
REVOKE ALL ON FUNCTION pgevents.drain(max_rows integer, OUT events integer, OUT turns integer, OUT is_more boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.drain_end(n bigint, after bigint, max_rows integer, OUT end_n bigint, OUT end_ord bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.epoch(ts timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.event_fault(channel text, type text, expires_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.events_insert() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.events_refuse_change() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.fed_since() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents."fetch"(channels text[], after bigint, since_us bigint, max_rows integer, max_bytes bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents."fetch"(channels text[], after bigint, since_us bigint, max_rows integer, max_bytes bigint) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.generation_is_checked() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.generation_place() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.generation_start(last bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.head() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.head() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.holder_close(holder bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.holder_close(holder bigint) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.holder_open() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.holder_open() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_presence_state(wanted jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_presence_state(wanted jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_publish(identity jsonb, channel text, body text, idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_publish(identity jsonb, channel text, body text, idempotency_key text) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_publish_check(identity jsonb, channel text, type text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.http_publish_many(requests jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_publish_many(requests jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_realm_presence(identity jsonb, params jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_realm_presence(identity jsonb, params jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_register(identity jsonb, params jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_register(identity jsonb, params jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_report_presence(identity jsonb, params jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_report_presence(identity jsonb, params jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_report_presence_many(requests jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_report_presence_many(requests jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_settings(identity jsonb, params jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_settings(identity jsonb, params jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_typing(identity jsonb, params jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_typing(identity jsonb, params jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_user_presence(identity jsonb, params jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_user_presence(identity jsonb, params jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.is_copy() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.is_copy() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.is_expected() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.is_fed() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.is_plain(channel text, type text, expires_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.is_settled() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.is_watched() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.json_harmless(source json, OUT harmless json, OUT stand_in text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.json_members(object json) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.json_stand_in(source text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.json_unknown_member(object json, known text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.least_step() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload integer) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.lock_holder(number integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.log_after(after bigint, max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.log_after(after bigint, max_rows integer) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.log_notify() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.mark_passed() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.mark_settled() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.may_lag(after bigint, head bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.name_is_sane(name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.outbox_insert() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.page_start(after bigint, since_us bigint, OUT start_id bigint, OUT head bigint, OUT pruned_id bigint, OUT gap text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.param_boolean(params jsonb, name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.param_id(params jsonb, name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.param_integer(params jsonb, name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.param_list(params jsonb, name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.param_missing(name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.param_text(params jsonb, name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.param_value(params jsonb, name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_active_at(active_at timestamp with time zone, idle_at timestamp with time zone, joined_at timestamp with time zone, threshold interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_answer(request jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_changes(reports jsonb, holder bigint, until timestamp with time zone, at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_channel(realm text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_contacts(holder bigint, contacts jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.presence_contacts(holder bigint, contacts jsonb) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.presence_disconnect(realms text[], user_ids text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_flush(realm text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_legacy(active_at timestamp with time zone, idle_at timestamp with time zone, slack interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_lock(reports jsonb, newcomers jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_lock_realms(realms text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_part(shared jsonb, realm text, after bigint, days bigint, slim boolean, with_connected boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_poll(identity jsonb, seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.presence_poll(identity jsonb, seconds integer) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.presence_realm_key(realm text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_report(reports jsonb, holder bigint, until timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.presence_report(reports jsonb, holder bigint, until timestamp with time zone) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.presence_request(identity jsonb, params jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_rows(realm text, since timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_since(realm text, after bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_slack() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_slim(active_at timestamp with time zone, idle_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_state(realm text, after bigint, days bigint, slim boolean, with_connected boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_status(active_at timestamp with time zone, idle_at timestamp with time zone, slack interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_sweep(max_users integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_switch(realm text, user_id text, enabled boolean, was_enabled boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_tell(realms text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.presence_tick() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.presence_tick() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.presence_write(reports jsonb, holder bigint, until timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.primary_only() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.promote_copy() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.prune(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.prune(max_rows integer) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.prune_log(max_rows integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.prune_revocations(max_rows integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.publication_earlier(key_scope bytea, body_digest bytea, OUT event_id bigint, OUT is_same boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.publication_read(identity jsonb, channel text, body text, idempotency_key text, OUT type text, OUT inner_data json, OUT expires_at timestamp with time zone, OUT key_scope bytea, OUT body_digest bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.publication_write(channel text, type text, data json, expires_at timestamp with time zone, key_scope bytea, body_digest bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.publications_claim(outcomes jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.publications_read(requests jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.publish(channel text, type text, data json, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.publish(channel text, type text, data json, ttl interval) TO pgevents_publisher;
REVOKE ALL ON FUNCTION pgevents.publish(channel text, type text, data jsonb, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.publish(channel text, type text, data jsonb, ttl interval) TO pgevents_publisher;
REVOKE ALL ON FUNCTION pgevents.publish(channel text, type text, data text, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.publish(channel text, type text, data text, ttl interval) TO pgevents_publisher;
REVOKE ALL ON FUNCTION pgevents.publish_control(type text, data json) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.publishers_waiting() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.publishers_waiting() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.raise_error(status integer, code text, message text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.ready_number() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.ready_start(OUT n bigint, OUT after bigint, OUT passed xid8[], OUT last bigint, OUT made_by xid8) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.remark(channel text, type text, expires_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.revocation_settle(data json) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.revocation_us(before timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.revocations() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.revocations() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.revoke(user_id text, before timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.revoke(user_id text, before timestamp with time zone) TO pgevents_admin;
REVOKE ALL ON FUNCTION pgevents.schema_version() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.schema_version() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.sequence(max_rows integer, OUT events integer, OUT turns integer, OUT is_more boolean, OUT is_settled boolean, OUT is_busy boolean, OUT is_sequenced boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.sequence(max_rows integer, OUT events integer, OUT turns integer, OUT is_more boolean, OUT is_settled boolean, OUT is_busy boolean, OUT is_sequenced boolean) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.sequencer_begin() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.sequencer_begin() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.sequencer_end() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.sequencer_end() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.sequencer_ready() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.sequencer_ready() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.server_timestamp() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.setting_names() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.settings_check() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.settings_found() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.shard_width() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.split_body(body text, OUT type text, OUT inner_data json, OUT expires_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.split_data(data json, known text[], OUT type text, OUT inner_data json, OUT ttl json, OUT unknown text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.stage(channel text, type text, data json, ttl interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.staging_sequence() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.status() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.status() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.stream_channel(stream_id text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.success(params jsonb, known text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.timing(name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.timing_ms(name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.timing_seconds(name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.token_revoked(user_id text, issued_us bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.token_revoked(user_id text, issued_us bigint) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.turn_follows(is_control boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.turn_is_big(turn bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.turn_left(n bigint, events bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.turn_may_leave(turn bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.turn_number() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.turn_rest(turn bigint, n bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.turn_waits(is_control boolean, turn bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.turn_way(is_control boolean, turn bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.turns_sequence() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.type_reserved(type text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.typing_charge(realm text, user_id text, events integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.typing_direct(realm text, user_id text, may_send boolean, op text, people jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.typing_stream(realm text, user_id text, may_send boolean, op text, stream_id text, topic text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.unwatch(relation regclass, channel text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.unwatch(relation regclass, channel text) TO pgevents_publisher;
REVOKE ALL ON FUNCTION pgevents.us(ts timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.user_channel(realm text, user_id text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.watch(relation regclass, channel text, columns text[], type text, old_values boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.watch(relation regclass, channel text, columns text[], type text, old_values boolean) TO pgevents_publisher;
REVOKE ALL ON FUNCTION pgevents.watch_body(relation regclass, template text, columns text[], type text, old_values boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.watch_channel(relation regclass, template text, alias text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.watch_check(relation regclass, columns text[], type text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.watch_image(columns text[], alias text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.watch_key(relation regclass, alias text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.watch_name(relation regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.watch_statements(relation regclass, channel text, columns text[], type text, old_values boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.watch_statements(relation regclass, channel text, columns text[], type text, old_values boolean) TO pgevents_publisher;
GRANT INSERT ON TABLE pgevents.events TO pgevents_publisher;
GRANT SELECT,INSERT ON TABLE pgevents.outbox TO pgevents_publisher;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgevents.stream_members TO pgevents_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgevents.streams TO pgevents_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgevents.users TO pgevents_admin;

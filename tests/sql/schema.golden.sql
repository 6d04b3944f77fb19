CREATE SCHEMA pgevents;
COMMENT ON SCHEMA pgevents IS 'Real-time events from committed transactions';
CREATE FUNCTION pgevents.append(channel text, type text, data json, expires_at timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  new_id bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(1885824374, 1);
  INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
    VALUES (nextval('pgevents.log_id_seq'), append.channel, clock_timestamp(), append.type, append.data,
            append.expires_at)
    RETURNING id INTO new_id;
  RETURN new_id;
END
$$;
CREATE FUNCTION pgevents.check_event(channel text, type text, expires_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  controls constant text := E'[\\u0001-\\u001f\\u007f]';
BEGIN
  IF channel IS NULL OR octet_length(channel) NOT BETWEEN 1 AND 255 OR channel COLLATE "C" ~ controls THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      'Invalid channel name: 1 to 255 bytes, no control characters');
  END IF;
  IF type IS NULL OR octet_length(type) NOT BETWEEN 1 AND 255 OR type COLLATE "C" ~ controls THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid event type: 1 to 255 bytes, no control characters');
  END IF;
  IF starts_with(type, 'pgevents.') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Event types that start with ''pgevents.'' are reserved');
  END IF;
  IF expires_at IS NOT NULL AND NOT isfinite(expires_at) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid expiry: must be finite, or NULL for none');
  END IF;
END
$$;
CREATE FUNCTION pgevents.events_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  event record;
BEGIN
  IF NEW.id IS NOT NULL OR NEW.ts IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'id and ts are given at COMMIT: leave them out');
  END IF;
  event := pgevents.split_data(NEW.data);
  PERFORM pgevents.check_event(NEW.channel_id, event.type, NEW.expires_at);
  INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
    VALUES (NEW.channel_id, event.type, event.inner_data, NEW.expires_at);
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
          HINT = 'Publish another event. Old events are removed by pgevents.prune() after the setting "retention".';
END
$$;
CREATE FUNCTION pgevents."fetch"(channels text[], after bigint, since_us bigint, max_rows integer, max_bytes bigint) RETURNS TABLE(id bigint, channel_id text, ts_us bigint, type text, data text, ttl_ms bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
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
    RETURN QUERY SELECT page.pruned_id, channels[1], now_us, 'pgevents.reset',
      format('{"reason":"%s","oldest":%s,"head":%s}', page.gap, page.pruned_id + 1, page.head), NULL::bigint;
  END IF;
  -- One ordered index scan per channel, none longer than the page. The pair is compared, not id alone, so that only the
  -- index on (channel_id, id) fits: by the primary key a quiet channel would cost a scan of everybody's events.
  FOR event IN
    SELECT l.*
      FROM (SELECT DISTINCT c.name COLLATE "C" AS name FROM unnest(channels) AS c (name)) wanted
      CROSS JOIN LATERAL (
        SELECT * FROM pgevents.log l
         WHERE (l.channel_id, l.id) > (wanted.name, page.start_id) AND l.channel_id <= wanted.name
           AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
         ORDER BY l.channel_id, l.id LIMIT row_limit + 1) l
     ORDER BY l.id LIMIT row_limit + 1  -- one more, to know whether there is one
  LOOP
    IF id IS NOT NULL AND (row_limit <= 0 OR bytes_left <= 0) THEN
      RETURN QUERY SELECT id, NULL, NULL::bigint, 'more', NULL, NULL::bigint;
      RETURN;
    END IF;
    -- Only here is data read from where long values are kept: a row beyond the page costs nothing.
    id := event.id; channel_id := event.channel_id; ts_us := pgevents.us(event.ts); type := event.type;
    data := event.data::text; ttl_ms := (pgevents.us(event.expires_at) - now_us) / 1000;
    RETURN NEXT;
    row_limit := row_limit - 1;
    bytes_left := bytes_left - octet_length(data);
  END LOOP;
  RETURN QUERY SELECT page.head, NULL, NULL::bigint, 'end', NULL, NULL::bigint;
END
$$;
CREATE FUNCTION pgevents.head() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT greatest((SELECT max(id) FROM pgevents.log), (SELECT pruned_id FROM pgevents.history))
$$;
CREATE FUNCTION pgevents.http_publish(identity jsonb, channel text, body text, idempotency_key text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  publication record;
  key       text := nullif(idempotency_key, '');
  key_scope bytea := sha256(convert_to(
    jsonb_build_array(identity -> 'realm', identity -> 'user', channel, key)::text, 'UTF8'));
  digest    bytea := sha256(convert_to(body, 'UTF8'));
  earlier   record;
  new_id    bigint;
BEGIN
  publication := pgevents.split_body(body);
  PERFORM pgevents.check_event(channel, publication.type, publication.expires_at);
  IF key IS NOT NULL THEN
    -- Whoever comes second with a key waits here until the first is visible.
    PERFORM pg_advisory_xact_lock(1885824375, hashtext(encode(key_scope, 'hex')));
    SELECT * INTO earlier FROM pgevents.idempotency_keys k
     WHERE k.scope = key_scope AND k.created_at > now() - interval '24 hours';
    IF earlier.body_digest <> digest THEN
      PERFORM pgevents.raise_error(422, 'UNPROCESSABLE', 'Idempotency-Key was already used with another body');
    ELSIF earlier.event_id IS NOT NULL THEN
      RETURN jsonb_build_object('result', 'success', 'id', earlier.event_id);
    END IF;
  END IF;
  new_id := pgevents.append(channel, publication.type, publication.inner_data, publication.expires_at);
  IF key IS NOT NULL THEN
    INSERT INTO pgevents.idempotency_keys AS k (scope, body_digest, event_id)
      VALUES (key_scope, digest, new_id)
      ON CONFLICT (scope) DO UPDATE
        SET body_digest = excluded.body_digest, event_id = excluded.event_id, created_at = excluded.created_at;
  END IF;
  RETURN jsonb_build_object('result', 'success', 'id', new_id);
END
$$;
CREATE FUNCTION pgevents.json_member(object json, name text) RETURNS json
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
  -- E'' throughout: what a backslash means must not depend on the session's standard_conforming_strings.
  awkward  constant text := E'\\\\u(?=0000|[dD][89a-fA-F])';
  source   text := object::text;
  stand_in text := E'\\/';
  attempt  int := 0;
BEGIN
  IF strpos(source, E'\\u') = 0 OR source !~ awkward THEN
    RETURN object -> name;
  END IF;
  WHILE strpos(source, stand_in) > 0 LOOP
    attempt := attempt + 1;
    stand_in := E'\\/' || attempt || '~';
  END LOOP;
  source := regexp_replace(source, awkward, E'\\' || stand_in, 'g');
  RETURN replace((source::json -> name)::text, stand_in, E'\\u')::json;
END
$$;
CREATE FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload integer) RETURNS TABLE(head bigint, pruned_id bigint, start_after bigint, continuous boolean)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT now.head, h.pruned_id,
         coalesce((SELECT l.id FROM pgevents.log l ORDER BY l.id DESC OFFSET greatest(preload, 0) LIMIT 1), h.pruned_id),
         coalesce(last_id, 0) = 0 OR (last_id <= now.head AND NOT EXISTS (
           SELECT FROM pgevents.log l WHERE l.id = last_id AND pgevents.us(l.ts) <> last_ts_us))
    FROM pgevents.history h, LATERAL (SELECT pgevents.head() AS head) now
$$;
CREATE FUNCTION pgevents.log_after(after bigint, max_rows integer) RETURNS TABLE(id bigint, channel_id text, ts_us bigint, type text, data text, ttl_ms bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT l.id, l.channel_id, pgevents.us(l.ts), l.type, l.data::text,
         (pgevents.us(l.expires_at) - pgevents.us(clock_timestamp())) / 1000
    FROM pgevents.log l
   WHERE l.id > log_after.after
   ORDER BY l.id
   LIMIT log_after.max_rows
$$;
CREATE FUNCTION pgevents.log_notify() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM pg_notify('pgevents', '');
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.page_start(after bigint, since_us bigint, OUT start_id bigint, OUT head bigint, OUT pruned_id bigint, OUT gap text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  since     timestamptz;
  pruned_ts timestamptz;
BEGIN
  SELECT h.pruned_id, h.pruned_ts INTO STRICT pruned_id, pruned_ts FROM pgevents.history h;
  head := greatest((SELECT max(l.id) FROM pgevents.log l), pruned_id);
  IF after IS NOT NULL THEN
    gap := CASE WHEN after > head THEN 'ahead' WHEN after > 0 AND after < pruned_id THEN 'pruned' END;
    start_id := after;
  ELSIF since_us IS NOT NULL THEN
    -- Up to 2^53 the product is exact; that is the year 2255.
    since := timestamptz 'epoch' + greatest(0, least(since_us, 9007199254740992)) * interval '1 microsecond';
    gap := CASE WHEN since < pruned_ts THEN 'pruned' END;
    SELECT coalesce(min(first.id) - 1, head) INTO start_id
      FROM (SELECT l.id FROM pgevents.log l WHERE l.ts > since ORDER BY l.ts, l.id LIMIT 100) first;
  ELSE
    start_id := head;
  END IF;
  -- Also for the cursor 0: below pruned_id there are only dead index entries.
  start_id := CASE WHEN gap IS NULL THEN greatest(start_id, pruned_id) ELSE pruned_id END;
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
  IF pg_is_in_recovery() OR NOT pg_try_advisory_xact_lock(1885824374, 2) THEN
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
  -- A staged row that others can see has been committed, and so is in the log.
  DELETE FROM pgevents.staging WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM pgevents.staging s LIMIT max_rows * 10));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;
  DELETE FROM pgevents.idempotency_keys WHERE scope IN (
    SELECT k.scope FROM pgevents.idempotency_keys k
     WHERE k.created_at < now() - interval '24 hours' ORDER BY k.created_at LIMIT max_rows);
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN total + removed;
END
$$;
CREATE FUNCTION pgevents.prune_log(max_rows integer) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  cutoff  timestamptz := now() - (SELECT value::interval FROM pgevents.settings WHERE name = 'retention');
  from_id bigint := (SELECT pruned_id FROM pgevents.history);
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
  UPDATE pgevents.history SET pruned_id = last_id, pruned_ts = greatest(pruned_ts, last_ts);
  RETURN removed;
END
$$;
CREATE FUNCTION pgevents.publish(channel text, type text, data json, ttl interval DEFAULT NULL::interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  expiry timestamptz := clock_timestamp() + ttl;
BEGIN
  IF ttl <= interval '0' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid ttl: must be greater than 0');
  END IF;
  PERFORM pgevents.check_event(channel, type, expiry);
  INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
    VALUES (publish.channel, publish.type, coalesce(publish.data, 'null'), expiry);
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
CREATE FUNCTION pgevents.split_body(body text, OUT type text, OUT inner_data json, OUT expires_at timestamp with time zone) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  object  json;
  ttl     json;
  seconds numeric;
BEGIN
  BEGIN
    object := body::json;
  EXCEPTION WHEN invalid_text_representation OR statement_too_complex THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'The body is not valid JSON');
  END;
  SELECT s.type, s.inner_data INTO split_body.type, split_body.inner_data FROM pgevents.split_data(object) s;
  ttl := pgevents.json_member(object, 'ttl');
  IF ttl IS NULL OR json_typeof(ttl) = 'null' THEN
    RETURN;
  END IF;
  IF json_typeof(ttl) = 'number' AND length(ttl::text) <= 40 THEN
    seconds := (ttl::text)::numeric;
  END IF;
  IF seconds IS NULL OR seconds < 0.001 OR seconds > 3153600000 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid ttl: a number of seconds, from 0.001 to 100 years');
  END IF;
  expires_at := clock_timestamp() + seconds * interval '1 second';
END
$$;
CREATE FUNCTION pgevents.split_data(data json, OUT type text, OUT inner_data json) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  type_json json := pgevents.json_member(data, 'type');
BEGIN
  IF json_typeof(type_json) IS DISTINCT FROM 'string' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      'Invalid event data: must be a JSON object with a string member "type"');
  END IF;
  inner_data := coalesce(pgevents.json_member(data, 'data'), 'null');
  IF strpos(type_json::text, E'\\u') = 0 THEN
    type := type_json #>> '{}';
    RETURN;
  END IF;
  -- Only here, because a block with a handler costs a subtransaction.
  BEGIN
    type := type_json #>> '{}';
  EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid event type: contains an escape that is no character');
  END;
END
$$;
CREATE FUNCTION pgevents.staging_sequence() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF NEW.last_turn THEN
    PERFORM pgevents.append(NEW.channel_id, NEW.type, NEW.data, NEW.expires_at);
  ELSE
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at, last_turn)
      VALUES (NEW.channel_id, NEW.type, NEW.data, NEW.expires_at, true);
  END IF;
  RETURN NULL;
END
$$;
CREATE FUNCTION pgevents.status() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  events bigint := (SELECT count(*) FROM (SELECT FROM pgevents.log LIMIT 10000) l);
  staged bigint := 0;
BEGIN
  IF events = 10000 THEN
    events := greatest(events, (SELECT reltuples::bigint FROM pg_class WHERE oid = 'pgevents.log'::regclass));
  END IF;
  IF NOT pg_is_in_recovery() THEN
    staged := (SELECT count(*) FROM (SELECT FROM pgevents.staging LIMIT 10000) s);
  END IF;
  RETURN jsonb_build_object(
    'version', (SELECT max(version) FROM pgevents.migrations),
    'head', pgevents.head(),
    'oldest', (SELECT pruned_id + 1 FROM pgevents.history),
    'events', events,
    'staged', staged);
END
$$;
CREATE FUNCTION pgevents.us(ts timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT (pg_catalog.date_part('epoch', ts) * 1000000)::bigint
$$;
CREATE TABLE pgevents.log (
    id bigint NOT NULL,
    channel_id text NOT NULL COLLATE pg_catalog."C",
    ts timestamp with time zone NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    data json NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT log_times_finite CHECK ((isfinite(ts) AND isfinite(expires_at)))
);
COMMENT ON TABLE pgevents.log IS 'All kept events, ids in commit order';
CREATE VIEW pgevents.events AS
 SELECT log.id,
    log.channel_id,
    log.ts,
    json_build_object('type', log.type, 'data', log.data) AS data,
    log.expires_at
   FROM pgevents.log;
COMMENT ON VIEW pgevents.events IS 'Insert (channel_id, data) to publish; select to read the log';
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
CREATE TABLE pgevents.settings (
    name text NOT NULL,
    value text NOT NULL,
    CONSTRAINT settings_retention_valid CHECK (((name <> 'retention'::text) OR ((value)::interval > '00:00:00'::interval)))
);
COMMENT ON TABLE pgevents.settings IS 'Settings; retention: how long events are kept (interval)';
CREATE UNLOGGED TABLE pgevents.staging (
    channel_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    data json NOT NULL,
    expires_at timestamp with time zone,
    last_turn boolean DEFAULT false NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');
COMMENT ON TABLE pgevents.staging IS 'Events on their way to the log, which they reach at COMMIT';
ALTER TABLE ONLY pgevents.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY pgevents.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope);
ALTER TABLE ONLY pgevents.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY pgevents.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY pgevents.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (name);
CREATE INDEX idempotency_keys_created_at_idx ON pgevents.idempotency_keys USING btree (created_at);
CREATE INDEX log_channel_id_id_idx ON pgevents.log USING btree (channel_id, id);
CREATE INDEX log_expires_at_idx ON pgevents.log USING btree (expires_at) WHERE (expires_at IS NOT NULL);
CREATE INDEX log_ts_id_idx ON pgevents.log USING btree (ts, id);
CREATE TRIGGER events_insert INSTEAD OF INSERT ON pgevents.events FOR EACH ROW EXECUTE FUNCTION pgevents.events_insert();
CREATE TRIGGER events_refuse_change INSTEAD OF DELETE OR UPDATE ON pgevents.events FOR EACH ROW EXECUTE FUNCTION pgevents.events_refuse_change();
CREATE TRIGGER log_notify AFTER INSERT ON pgevents.log FOR EACH ROW EXECUTE FUNCTION pgevents.log_notify();
ALTER TABLE pgevents.log ENABLE ALWAYS TRIGGER log_notify;
CREATE CONSTRAINT TRIGGER staging_sequence AFTER INSERT ON pgevents.staging DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgevents.staging_sequence();
ALTER TABLE pgevents.staging ENABLE ALWAYS TRIGGER staging_sequence;
GRANT USAGE ON SCHEMA pgevents TO pgevents_server;
GRANT USAGE ON SCHEMA pgevents TO pgevents_publisher;
REVOKE ALL ON FUNCTION pgevents.append(channel text, type text, data json, expires_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.check_event(channel text, type text, expires_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.events_insert() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.events_refuse_change() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents."fetch"(channels text[], after bigint, since_us bigint, max_rows integer, max_bytes bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents."fetch"(channels text[], after bigint, since_us bigint, max_rows integer, max_bytes bigint) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.head() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.head() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.http_publish(identity jsonb, channel text, body text, idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.http_publish(identity jsonb, channel text, body text, idempotency_key text) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.json_member(object json, name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload integer) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.log_after(after bigint, max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.log_after(after bigint, max_rows integer) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.log_notify() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.page_start(after bigint, since_us bigint, OUT start_id bigint, OUT head bigint, OUT pruned_id bigint, OUT gap text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.prune(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.prune(max_rows integer) TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.prune_log(max_rows integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.publish(channel text, type text, data json, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.publish(channel text, type text, data json, ttl interval) TO pgevents_publisher;
REVOKE ALL ON FUNCTION pgevents.raise_error(status integer, code text, message text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.split_body(body text, OUT type text, OUT inner_data json, OUT expires_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.split_data(data json, OUT type text, OUT inner_data json) FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.staging_sequence() FROM PUBLIC;
REVOKE ALL ON FUNCTION pgevents.status() FROM PUBLIC;
GRANT ALL ON FUNCTION pgevents.status() TO pgevents_server;
REVOKE ALL ON FUNCTION pgevents.us(ts timestamp with time zone) FROM PUBLIC;
GRANT INSERT ON TABLE pgevents.events TO pgevents_publisher;

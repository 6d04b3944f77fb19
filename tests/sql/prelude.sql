-- run.sh prepends it to every test in SQL: the checks.
SET client_min_messages = warning;
CREATE TEMP SEQUENCE checks MINVALUE 0 START 0;
SELECT nextval('checks');

-- The condition holds (NULL is a failure).
CREATE FUNCTION pg_temp.ok(condition boolean, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM nextval('checks');
  IF condition IS NOT TRUE THEN RAISE EXCEPTION 'check failed: %', what; END IF;
END $$;

CREATE FUNCTION pg_temp.equal(got text, wanted text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM nextval('checks');
  IF got IS DISTINCT FROM wanted THEN
    RAISE EXCEPTION 'check failed: %', what USING DETAIL = format(E'got    %s\nwanted %s', got, wanted);
  END IF;
END $$;

-- The statement fails with this SQLSTATE and a message that contains this text; detail, if given, is the exact DETAIL.
CREATE FUNCTION pg_temp.fails(statement text, state text, message text, detail text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  got_message text;
  got_detail  text;
BEGIN
  PERFORM nextval('checks');
  BEGIN
    EXECUTE statement;
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS got_message = MESSAGE_TEXT, got_detail = PG_EXCEPTION_DETAIL;
    IF SQLSTATE <> state OR strpos(got_message, message) = 0
       OR got_detail IS DISTINCT FROM coalesce(detail, got_detail) THEN
      RAISE EXCEPTION 'wrong error for %: % % %', statement, SQLSTATE, got_message, got_detail;
    END IF;
    RETURN;
  END;
  RAISE EXCEPTION 'no error for: %', statement;
END $$;
-- The statement is rejected with 400, exactly this message and code; detail: if it has more than the code.
CREATE FUNCTION pg_temp.rejected(statement text, wanted text, detail text DEFAULT '{"code":"BAD_REQUEST"}') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  got_detail text;
BEGIN
  PERFORM nextval('checks');
  BEGIN
    EXECUTE statement;
  EXCEPTION WHEN SQLSTATE 'PT400' THEN
    GET STACKED DIAGNOSTICS got_detail = PG_EXCEPTION_DETAIL;
    IF SQLERRM <> wanted OR got_detail::jsonb <> detail::jsonb THEN
      RAISE EXCEPTION 'wrong rejection of %: % %, wanted %', statement, SQLERRM, got_detail, wanted;
    END IF;
    RETURN;
  END;
  RAISE EXCEPTION 'not rejected: %', statement;
END $$;

-- An id, which in the newest generation is counted from its first id: g0, g1 … (where it begins is random).
CREATE FUNCTION pg_temp.named(id bigint) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN id >= g.first_id - 1 AND g.first_id > 1 THEN 'g' || (id - g.first_id) ELSE id::text END
    FROM pgevents.generations g ORDER BY g.first_id DESC LIMIT 1
$$;
-- For presence and typing: users 10, 11, 12, a bot and a deactivated user in the realm main, and 20 in the realm other.
CREATE FUNCTION pg_temp.people() RETURNS void LANGUAGE sql AS $$
  INSERT INTO pgevents.users (realm, user_id, is_bot, is_active, joined_at)
  VALUES ('main', '10', false, true, '2020-01-01 00:00+00'),
    ('main', '11', false, true, '2020-01-01 00:00+00'), ('main', '12', false, true, '2020-01-01 00:00+00'),
    ('main', 'bot', true, true, now()), ('main', 'gone', false, false, now()),
    ('other', '20', false, true, '2020-01-01 00:00+00');
$$;
-- The answer of pgevents.http_<what>().
CREATE FUNCTION pg_temp.ask(what text, who text, params jsonb, realm text DEFAULT 'main') RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  answer json;
BEGIN
  EXECUTE format('SELECT pgevents.http_%s($1, $2)', what) INTO STRICT answer
    USING jsonb_build_object('user', who, 'realm', realm), params;
  RETURN answer;
END $$;
CREATE FUNCTION pg_temp.report(who text, params jsonb, realm text DEFAULT 'main') RETURNS jsonb LANGUAGE sql AS $$
  SELECT pg_temp.ask('report_presence', who, params, realm)
$$;
-- Moves the user's last contact, and last activity if any, into the past.
CREATE FUNCTION pg_temp.was_idle(who text, age interval) RETURNS void LANGUAGE sql AS $$
  UPDATE pgevents.presence SET idle_at = clock_timestamp() - age,
         active_at = CASE WHEN active_at IS NOT NULL THEN least(active_at, clock_timestamp() - age) END
         WHERE user_id = who
$$;
CREATE FUNCTION pg_temp.was_active(who text, age interval) RETURNS void LANGUAGE sql AS $$
  UPDATE pgevents.presence SET active_at = clock_timestamp() - age WHERE user_id = who
$$;
-- As if the last event of every realm were old enough for the next.
CREATE FUNCTION pg_temp.later() RETURNS void LANGUAGE sql AS $$
  UPDATE pgevents.presence_realms SET flushed_at = flushed_at - interval '1 hour' WHERE isfinite(flushed_at)
$$;
-- What a process reports about its connections in the realm main; false: its holder is gone.
CREATE FUNCTION pg_temp.contacts(holder bigint, people text[], gone boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM pgevents.presence_contacts(holder, (
    SELECT jsonb_agg(jsonb_build_object('realm', 'main', 'user', p)
                     || CASE WHEN gone THEN '{"left":true}' ELSE '{}' END::jsonb)
      FROM unnest(people) p));
  RETURN FOUND;
END $$;
CREATE FUNCTION pg_temp.contact(holder bigint, VARIADIC people text[] DEFAULT '{}') RETURNS boolean LANGUAGE sql AS $$
  SELECT pg_temp.contacts(holder, people, false)
$$;
CREATE FUNCTION pg_temp.leave(holder bigint, VARIADIC people text[]) RETURNS boolean LANGUAGE sql AS $$
  SELECT pg_temp.contacts(holder, people, true)
$$;
-- Moves all times of connections into the past.
CREATE FUNCTION pg_temp.passes(age interval) RETURNS void LANGUAGE sql AS $$
  UPDATE pgevents.connections SET left_at = left_at - age, until = until - age;
  UPDATE pgevents.presence_holders SET alive_until = alive_until - age;
  UPDATE pgevents.presence_realms SET flushed_at = flushed_at - age WHERE isfinite(flushed_at)
$$;
-- The events since the last call: channel, type and data, without the times, which differ.
CREATE TEMP SEQUENCE seen MINVALUE 0 START 0;
SELECT nextval('seen');
CREATE FUNCTION pg_temp.news() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  news text;
BEGIN
  SELECT string_agg(channel_id || ' ' || type || ' ' || CASE type WHEN 'presence'
           THEN (SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(data::jsonb -> 'presences') k)
           ELSE (data::jsonb - ARRAY['server_timestamp', 'presences'])::text END, E'\n' ORDER BY id) INTO news
    FROM pgevents.log WHERE id > currval('seen');
  PERFORM setval('seen', pgevents.head());
  RETURN news;
END $$;

-- Tests change roles; the checks must go on working.
DO $$ BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC',
  (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()));
END $$;
GRANT ALL ON SEQUENCE checks TO PUBLIC;

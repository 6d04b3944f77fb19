-- pgevents.turns_sequence(): deferred constraint trigger of pgevents.turns, the second round at COMMIT: a turn's events
-- get their ids and go into the log, or are left in ready.
-- Parameters: NEW: the turn, with its first event.
-- Returns:    NULL (ignored).
-- Errors:     none of its own. At COMMIT the session's lock_timeout applies; statement_timeout does not.
-- Tables:     staging_rest (read), log or ready (insert), revocations (update, through revocation_settle()); what
--             turn_way() names.
-- The transaction takes the lock "append" if it is free and all events before have their ids; otherwise turn_way()
-- decides. The lock is held until the transaction is visible to all others (PostgreSQL releases locks after that), so a
-- transaction that takes the next id commits later: ids are in commit order. Reads no table unless the turn has several
-- events: under SERIALIZABLE publishers would conflict. The usual case, one event and nothing to wait for, is one
-- expression, because PL/pgSQL prepares each expression anew in each transaction. The lock is tried last, and only if
-- the first part is not NULL.
CREATE OR REPLACE FUNCTION pgevents.turns_sequence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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

-- pgevents.presence_lock_realms(realms): what a transaction holds while it gives update ids, and to its end.
-- Parameters: realms: all that it will need, at once.
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     none.
-- As with the ids of events: whoever draws the next update id of the realm commits later. 256 locks for all realms, so that a
-- batch for very many does not fill the shared lock table; that two realms share one costs a little waiting.
CREATE OR REPLACE FUNCTION pgevents.presence_lock_realms(realms text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  key int;
BEGIN
  FOR key IN SELECT DISTINCT pgevents.presence_realm_key(r.realm) FROM unnest(realms) r (realm) ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock(1885824376, key);
  END LOOP;
END
$$;

-- pgevents.presence_lock_realms(realms): takes the locks under which a transaction draws update ids; they are held
-- until it ends.
-- Parameters: realms: all that the transaction will need, in one call.
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     none.
-- As with the ids of events: a transaction that draws the next update id of the realm commits later. All realms share
-- 256 locks, so that a batch for very many realms does not fill the shared lock table; two realms with the same lock
-- cost a little waiting.
CREATE OR REPLACE FUNCTION pgevents.presence_lock_realms(realms text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  key int;
BEGIN
  FOR key IN SELECT DISTINCT pgevents.presence_realm_key(r.realm) FROM unnest(realms) r (realm) ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock(1885824376, key);  -- lock "realm"
  END LOOP;
END
$$;

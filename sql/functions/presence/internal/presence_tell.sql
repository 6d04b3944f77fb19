-- pgevents.presence_tell(realms): has changes published: at once if the last event of the realm is old enough,
-- otherwise by presence_tick().
-- Parameters: realms: with changes to report (NULL: none); the transaction holds their locks.
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     presence_realms (insert, update), staging (insert, through presence_flush()).
CREATE OR REPLACE FUNCTION pgevents.presence_tell(realms text[]) RETURNS void
LANGUAGE plpgsql AS $$
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

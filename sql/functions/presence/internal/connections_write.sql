-- pgevents.connections_write(reports, holder, until): writes which users are connected through a holder, and which have
-- left.
-- Parameters: as presence_changes(); the rows of the connected users are locked.
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     connections (insert, update), presence, users (read).
CREATE OR REPLACE FUNCTION pgevents.connections_write(reports jsonb, holder bigint, until timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
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

-- pgevents.presence_lock(reports, newcomers): takes the rows of users of whom there are reports; makes missing ones.
-- Parameters: reports: as presence_changes() gives them; newcomers: those of them whose users had no row (NULL: none).
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     presence (insert, lock).
-- In order of (realm, user), twice: nobody can wait for rows that only the inserting transaction sees, so the two rounds
-- cannot make a circle. Who only leaves is not locked: his row does not change by that. LATERAL has each row found by the index,
-- and locked in the order of the list.
CREATE OR REPLACE FUNCTION pgevents.presence_lock(reports jsonb, newcomers jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF newcomers IS NOT NULL THEN
    INSERT INTO pgevents.presence (realm, user_id, idle_at)
      SELECT (n.value ->> 'realm') COLLATE "C", (n.value ->> 'user') COLLATE "C", '-infinity' FROM jsonb_array_elements(newcomers) n
       ORDER BY 1, 2
      ON CONFLICT DO NOTHING;
  END IF;
  PERFORM FROM (
    SELECT (r.value ->> 'realm') COLLATE "C" AS realm, (r.value ->> 'user') COLLATE "C" AS user_id
      FROM jsonb_array_elements(reports) r WHERE r.value -> 'left' = 'false' ORDER BY 1, 2) r
    CROSS JOIN LATERAL (
      SELECT FROM pgevents.presence p WHERE p.realm = r.realm AND p.user_id = r.user_id FOR NO KEY UPDATE) p;
END
$$;

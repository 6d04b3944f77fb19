-- pgevents.presence_lock(reports, newcomers): locks the presence rows of the users in reports; makes missing rows.
-- Parameters: reports: as presence_changes() returns them; newcomers: the reports on users without a row (NULL: none).
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     presence (insert, lock).
-- Both rounds go in the order of (realm, user). They cannot make a circle, because no transaction waits for rows that
-- only the inserting transaction sees. A user who only leaves is not locked, because the row does not change by that.
-- LATERAL finds each row by the index, and locks the rows in the order of the list.
CREATE OR REPLACE FUNCTION pgevents.presence_lock(reports jsonb, newcomers jsonb) RETURNS void
LANGUAGE plpgsql AS $$
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

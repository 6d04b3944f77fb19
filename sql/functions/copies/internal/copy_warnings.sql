-- pgevents.copy_warnings(role, publication, slots, feed): what an operator of copies has to do, by status().
-- Parameters: as copy_status() has them.
-- Returns:    a JSON array of sentences.
-- Errors:     none.
-- Tables:     none.
-- The worker ends at a conflict and is started again every five seconds or so: it is missing most of the time.
CREATE OR REPLACE FUNCTION pgevents.copy_warnings(role text, publication jsonb, slots jsonb, feed jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
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
$$;

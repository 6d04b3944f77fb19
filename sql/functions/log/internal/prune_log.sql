-- pgevents.prune_log(max_rows): removes the oldest events that are past the retention, and records how far.
-- Parameters: max_rows: look at no more than this many.
-- Returns:    number of events removed.
-- Errors:     none.
-- Tables:     log (delete), history (insert, update), settings (read).
-- Prunes from the oldest id upwards and stops at the first event that must be kept, so that one id describes what is
-- gone. The scan starts at the recorded id: below it lie all the dead entries of earlier rounds while a long
-- transaction runs.
CREATE OR REPLACE FUNCTION pgevents.prune_log(max_rows int) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  cutoff  timestamptz := now() - (SELECT value::interval FROM pgevents.settings WHERE name = 'retention');
  from_id bigint := coalesce((SELECT pruned_id FROM pgevents.history), 1);
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
  INSERT INTO pgevents.history AS h (pruned_id, pruned_ts) VALUES (last_id, last_ts)
    ON CONFLICT (only_row) DO UPDATE
      SET pruned_id = excluded.pruned_id, pruned_ts = greatest(h.pruned_ts, excluded.pruned_ts);
  RETURN removed;
END
$$;

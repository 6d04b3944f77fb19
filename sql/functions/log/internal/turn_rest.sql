-- pgevents.turn_rest(turn, n): moves the further events of a turn, all but its first one.
-- Parameters: turn: its number; n: leave them in ready under this number; NULL: give them ids.
-- Returns:    how many.
-- Errors:     none.
-- Tables:     staging_rest (read), log or ready (insert).
-- In ready the first and the last row of a turn show its transaction, so that ready_start() finds the turn until all
-- are moved. The staged rows stay until prune() removes them: deleting them would cost as much as writing them. The
-- planner's settings: the table may have been empty when a plan was made.
CREATE OR REPLACE FUNCTION pgevents.turn_rest(turn bigint, n bigint) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
  moved bigint;
BEGIN
  IF n IS NULL THEN
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      SELECT nextval('pgevents.log_id_seq'), r.channel_id, clock_timestamp(), r.type, r.data, r.expires_at
        FROM (SELECT s.channel_id, s.type, s.data, s.expires_at FROM pgevents.staging_rest s
               WHERE s.turn = turn_rest.turn AND s.staged_at = now() ORDER BY s.ord) r;
  ELSE
    INSERT INTO pgevents.ready (n, ord, channel_id, type, data, expires_at, left_by)
      SELECT turn_rest.n, s.ord, s.channel_id, s.type, s.data, s.expires_at,
             CASE WHEN s.ord = (SELECT max(l.ord) FROM pgevents.staging_rest l
                                 WHERE l.turn = turn_rest.turn AND l.staged_at = now()) THEN pg_current_xact_id() END
        FROM pgevents.staging_rest s
       WHERE s.turn = turn_rest.turn AND s.staged_at = now();
  END IF;
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END
$$;

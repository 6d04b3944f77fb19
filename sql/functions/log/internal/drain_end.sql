-- pgevents.drain_end(n, after, max_rows): up to which event one call of drain() goes.
-- Parameters: n, after: as returned by ready_start(); max_rows: as in drain().
-- Returns:    the last event; end_n NULL: all that are there; end_ord NULL: the whole turn.
-- Errors:     none.
-- Tables:     ready (read).
-- A turn of more than 2,000 events is moved in parts, so that no publisher waits for long. The turn of a transaction
-- that was passed is moved alone.
CREATE OR REPLACE FUNCTION pgevents.drain_end(n bigint, after bigint, max_rows int,
  OUT end_n bigint, OUT end_ord bigint)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  IF max_rows IS NULL THEN
    RETURN;
  ELSIF EXISTS (SELECT FROM pgevents.ready r WHERE r.n = drain_end.n OFFSET 2000) THEN
    max_rows := least(max_rows, 1000);
  END IF;
  IF n <= after THEN
    end_n := n;
    end_ord := (SELECT r.ord FROM pgevents.ready r WHERE r.n = drain_end.n ORDER BY r.ord OFFSET max_rows - 1 LIMIT 1);
  ELSE
    SELECT r.n, r.ord INTO end_n, end_ord FROM pgevents.ready r
     WHERE r.n > after ORDER BY r.n, r.ord OFFSET max_rows - 1 LIMIT 1;
  END IF;
  end_ord := (SELECT r.ord FROM pgevents.ready r
               WHERE r.n = end_n AND r.ord > end_ord ORDER BY r.ord OFFSET 1000 LIMIT 1);
END
$$;

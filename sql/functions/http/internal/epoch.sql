-- pgevents.epoch(ts): a point in time as clients are told those of users.
-- Parameters: ts: finite.
-- Returns:    whole seconds since the epoch, rounded down.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.epoch(ts timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT floor(pg_catalog.date_part('epoch', ts))::bigint
$$;

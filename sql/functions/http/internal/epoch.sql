-- pgevents.epoch(ts): a user's point in time in the form that clients get.
-- Parameters: ts: finite.
-- Returns:    whole seconds since the epoch, rounded down.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.epoch(ts timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT floor(pg_catalog.date_part('epoch', ts))::bigint
$$;

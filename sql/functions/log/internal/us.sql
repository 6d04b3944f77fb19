-- pgevents.us(ts): a point in time as whole microseconds since the epoch, the form that the front-ends read.
-- Parameters: ts: finite.
-- Returns:    bigint.
-- Errors:     22003 if infinite.
-- Tables:     none.
-- date_part() counts in double precision, which is exact to half a microsecond until the year 2106 and much faster than
-- extract(). STABLE like date_part(), and without SET and SECURITY DEFINER, so that the planner inlines it.
CREATE OR REPLACE FUNCTION pgevents.us(ts timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT (pg_catalog.date_part('epoch', ts) * 1000000)::bigint
$$;

-- pgevents.us(ts): a point in time as whole microseconds since the epoch, the form in which it goes to the front-ends.
-- Parameters: ts: finite.
-- Returns:    bigint.
-- Errors:     22003 when infinite.
-- Tables:     none.
-- date_part() counts in double precision, which is good for half a microsecond until the year 2106 and much faster than
-- extract(). STABLE like date_part(), without SET and SECURITY DEFINER: so the planner inlines it.
CREATE OR REPLACE FUNCTION pgevents.us(ts timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT (pg_catalog.date_part('epoch', ts) * 1000000)::bigint
$$;

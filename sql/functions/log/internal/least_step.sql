-- pgevents.least_step(): how far behind the last id a generation begins at least (generation_start()).
-- Parameters: none.
-- Returns:    bigint: more than the events that a crash or a failover can lose.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.least_step() RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT 1000000000::bigint
$$;

-- pgevents.timing_seconds(name): the same as timing(), as clients are told it.
-- Parameters: as timing().
-- Returns:    seconds; with a fraction only where there is one.
-- Errors:     as timing().
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.timing_seconds(name text) RETURNS double precision
LANGUAGE sql STABLE AS $$
  SELECT date_part('epoch', pgevents.timing(name))
$$;

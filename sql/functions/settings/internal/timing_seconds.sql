-- pgevents.timing_seconds(name): reads a duration as timing() does, in the unit that clients get for presence.
-- Parameters: as timing().
-- Returns:    seconds; with a fraction only if there is one.
-- Errors:     as timing().
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.timing_seconds(name text) RETURNS double precision
LANGUAGE sql STABLE AS $$
  SELECT date_part('epoch', pgevents.timing(name))
$$;

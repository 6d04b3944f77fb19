-- pgevents.timing_ms(name): reads a duration as timing() does, in the unit that clients get for typing.
-- Parameters: as timing().
-- Returns:    whole milliseconds.
-- Errors:     as timing().
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.timing_ms(name text) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT (date_part('epoch', pgevents.timing(name)) * 1000)::bigint
$$;

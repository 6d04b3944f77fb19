-- pgevents.timing_ms(name): the same as timing(), as clients are told it.
-- Parameters: as timing().
-- Returns:    whole milliseconds.
-- Errors:     as timing().
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.timing_ms(name text) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT (date_part('epoch', pgevents.timing(name)) * 1000)::bigint
$$;

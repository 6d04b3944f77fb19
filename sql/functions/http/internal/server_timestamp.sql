-- pgevents.server_timestamp(): the present time in the form that clients get.
-- Parameters: none.
-- Returns:    seconds since the epoch with a fraction.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.server_timestamp() RETURNS double precision
LANGUAGE sql VOLATILE AS $$
  SELECT date_part('epoch', clock_timestamp())
$$;

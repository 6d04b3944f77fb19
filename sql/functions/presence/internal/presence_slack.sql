-- pgevents.presence_slack(): how long before the last contact the last activity may be for a user to count as active.
-- Parameters: none.
-- Returns:    interval; 70 seconds with the default timings.
-- Errors:     as timing().
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.presence_slack() RETURNS interval
LANGUAGE sql STABLE AS $$
  SELECT pgevents.timing('presence_ping_interval') * 7 / 6
$$;

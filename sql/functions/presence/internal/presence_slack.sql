-- pgevents.presence_slack(): by how much the last activity may lie before the last contact, for a user to count as active.
-- Parameters: none.
-- Returns:    interval; 70 seconds with the usual timings.
-- Errors:     as timing().
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.presence_slack() RETURNS interval
LANGUAGE sql STABLE AS $$
  SELECT pgevents.timing('presence_ping_interval') * 7 / 6
$$;

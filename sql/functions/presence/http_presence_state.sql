-- pgevents.http_presence_state(wanted): presence in a realm, for the answers of all who asked for it at the same time.
-- Parameters: wanted: what presence_part() put into an answer.
-- Returns:    as presence_state(), to stand in its place.
-- Errors:     none of its own. Who may see it has been checked by the function that gave the answer.
-- Tables:     presence, users, settings (read).
CREATE OR REPLACE FUNCTION pgevents.http_presence_state(wanted jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN pgevents.presence_state(wanted ->> 'realm', NULL, (wanted ->> 'days')::bigint, (wanted ->> 'slim')::boolean,
    (wanted ->> 'connected')::boolean);
END
$$;

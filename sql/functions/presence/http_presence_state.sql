-- pgevents.http_presence_state(wanted): presence in a realm, for the answers of all requests that asked for it at the
-- same time.
-- Parameters: wanted: what presence_part() wrote into an answer.
-- Returns:    as presence_state(), to put in its place.
-- Errors:     none of its own. The function that made the answer has checked who may see it.
-- Tables:     presence, users, settings (read).
CREATE OR REPLACE FUNCTION pgevents.http_presence_state(wanted jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN pgevents.presence_state(wanted ->> 'realm', NULL, (wanted ->> 'days')::bigint, (wanted ->> 'slim')::boolean,
    (wanted ->> 'connected')::boolean);
END
$$;

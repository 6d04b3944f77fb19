-- pgevents.presence_part(shared, realm, after, days, slim, with_connected): presence in a realm, or a placeholder for
-- the state that many requests share.
-- Parameters: shared: 'true' if the server asks for the whole state separately, once for all requests that want it
--             (identity's share_state); the others as presence_state().
-- Returns:    as presence_state(); for the whole state, if shared, "presence_state":… instead: what
--             http_presence_state() takes. The whole state of a large realm takes a quarter of a second and megabytes,
--             and is the same for all its users.
-- Errors:     none of its own.
-- Tables:     presence, users, settings (read).
CREATE OR REPLACE FUNCTION pgevents.presence_part(shared jsonb, realm text, after bigint, days bigint, slim boolean,
  with_connected boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  IF shared = 'true' AND coalesce(after, -1) = -1 AND days IS DISTINCT FROM 0 THEN
    RETURN '"presence_state":'
      || jsonb_build_object('realm', realm, 'days', days, 'slim', slim, 'connected', with_connected)::text;
  END IF;
  RETURN pgevents.presence_state(realm, after, days, slim, with_connected);
END
$$;

-- pgevents.check_user(user_id): rejects a text that cannot be a user id.
-- Parameters: user_id: as in tokens (`sub`).
-- Returns:    nothing.
-- Errors:     PT400.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.check_user(user_id text) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF NOT pgevents.name_is_sane(user_id) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid user_id: 1 to 255 bytes, no control characters');
  END IF;
END
$$;

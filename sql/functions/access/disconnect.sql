-- pgevents.disconnect(user_id): ends all streams and long polls of a user, on all servers, when the transaction
-- commits.
-- Parameters: user_id: as in the tokens (`sub`), or as the web server names the user.
-- Returns:    nothing. The user may reconnect at once: the application takes away their rights first.
-- Errors:     PT400.
-- Tables:     staging (insert).
CREATE OR REPLACE FUNCTION pgevents.disconnect(user_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgevents.check_user(user_id);
  PERFORM pgevents.publish_control('pgevents.disconnect', format('{"user":%s}', to_json(user_id))::json);
END
$$;

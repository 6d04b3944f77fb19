-- pgevents.disconnect(user_id): when the transaction commits, all streams and long polls of this user end, on all servers.
-- Parameters: user_id: as in the tokens (`sub`), or as the web server names him.
-- Returns:    nothing. He may come back at once; what he may no longer have must be refused by then.
-- Errors:     PT400.
-- Tables:     staging (insert).
CREATE OR REPLACE FUNCTION pgevents.disconnect(user_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgevents.check_user(user_id);
  PERFORM pgevents.publish_control('pgevents.disconnect', format('{"user":%s}', to_json(user_id))::json);
END
$$;

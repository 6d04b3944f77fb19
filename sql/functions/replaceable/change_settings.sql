-- pgevents.change_settings(realm, user_id, changes): writes what a user has chosen into the directory. An application
-- may replace this function, where its users are a view that cannot be updated.
-- Parameters: realm, user_id: the user; changes: {"presence_enabled":false,…}, one to four of the flags of users.
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     users (update).
CREATE OR REPLACE FUNCTION pgevents.change_settings(realm text, user_id text, changes jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE pgevents.users u SET
    presence_enabled = coalesce((changes -> 'presence_enabled')::boolean, u.presence_enabled),
    send_private_typing_notifications =
      coalesce((changes -> 'send_private_typing_notifications')::boolean, u.send_private_typing_notifications),
    send_stream_typing_notifications =
      coalesce((changes -> 'send_stream_typing_notifications')::boolean, u.send_stream_typing_notifications),
    receives_typing_notifications =
      coalesce((changes -> 'receives_typing_notifications')::boolean, u.receives_typing_notifications)
   WHERE u.realm = change_settings.realm AND u.user_id = change_settings.user_id;
END
$$;

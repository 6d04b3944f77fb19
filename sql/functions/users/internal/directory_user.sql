-- pgevents.directory_user(realm, user_id): a user's entry in the directory.
-- Parameters: realm, user_id: the user.
-- Returns:    columns of users; is_known: whether an active user of this name exists. If not, the rest is NULL.
-- Errors:     none.
-- Tables:     users (read).
CREATE OR REPLACE FUNCTION pgevents.directory_user(realm text, user_id text, OUT is_known boolean, OUT is_bot boolean,
  OUT presence_enabled boolean, OUT send_private_typing_notifications boolean,
  OUT send_stream_typing_notifications boolean, OUT receives_typing_notifications boolean, OUT joined_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT true, u.is_bot, u.presence_enabled, u.send_private_typing_notifications, u.send_stream_typing_notifications,
         u.receives_typing_notifications, u.joined_at
    INTO is_known, is_bot, presence_enabled, send_private_typing_notifications, send_stream_typing_notifications,
         receives_typing_notifications, joined_at
    FROM pgevents.users u
   WHERE u.realm = directory_user.realm AND u.user_id = directory_user.user_id AND u.is_active;
  is_known := coalesce(is_known, false);
END
$$;

-- pgevents.caller(identity): the user who makes a request.
-- Parameters: identity: {"user":…,"realm":…} from the token or the web server; the realm is main if it is absent.
-- Returns:    realm and user_id as columns for queries, and the columns of directory_user().
-- Errors:     PT401 without a user; PT503 on a copy, which has neither directory nor presence; PT400 if the user is not
--             in the directory.
-- Tables:     users (read, through directory_user()).
CREATE OR REPLACE FUNCTION pgevents.caller(identity jsonb, OUT realm text, OUT user_id text, OUT is_bot boolean,
  OUT presence_enabled boolean, OUT send_private_typing_notifications boolean,
  OUT send_stream_typing_notifications boolean, OUT receives_typing_notifications boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  known record;
BEGIN
  user_id := identity ->> 'user';
  realm := coalesce(nullif(identity ->> 'realm', ''), 'main');
  IF coalesce(user_id, '') = '' THEN
    PERFORM pgevents.raise_error(401, 'UNAUTHORIZED', 'Authentication required');
  END IF;
  PERFORM pgevents.primary_only();
  known := pgevents.directory_user(realm, user_id);
  IF NOT known.is_known THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'No such user');
  END IF;
  is_bot := known.is_bot;
  presence_enabled := known.presence_enabled;
  send_private_typing_notifications := known.send_private_typing_notifications;
  send_stream_typing_notifications := known.send_stream_typing_notifications;
  receives_typing_notifications := known.receives_typing_notifications;
END
$$;

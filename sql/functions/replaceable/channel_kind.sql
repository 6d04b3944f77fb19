-- pgevents.channel_kind(realm, channel): whether clients act on events from a channel. An application may replace this
-- function, and must do so if its presence_channel(), user_channel() or stream_channel() does not put the id unchanged
-- into a name.
-- Parameters: realm: that of the request; channel: any.
-- Returns:    presence, user or stream: the channel is of that kind; NULL: of none.
-- Errors:     none.
-- Tables:     those of the application's functions.
-- Calls each function with made-up ids, whose places in the answer show where ids stand. They are numbers, because a
-- function may accept nothing else. The realm of the request is tried as well, because a presence_channel() that looks
-- realms up knows at least that one.
CREATE OR REPLACE FUNCTION pgevents.channel_kind(realm text, channel text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN CASE
    WHEN pgevents.channel_matches(channel, pgevents.channel_name('presence', '8703261547', NULL))
      OR channel = pgevents.channel_name('presence', realm, NULL) THEN 'presence'
    WHEN pgevents.channel_matches(channel, pgevents.channel_name('user', 'main', '8794215063'))
      OR pgevents.channel_matches(channel, pgevents.channel_name('user', '8703261547', '8794215063')) THEN 'user'
    WHEN pgevents.channel_matches(channel, pgevents.channel_name('stream', NULL, '8794215063')) THEN 'stream' END;
END
$$;

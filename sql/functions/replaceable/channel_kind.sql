-- pgevents.channel_kind(realm, channel): whether clients act on what comes from a channel. An application may replace this function:
-- it has to where its presence_channel(), user_channel() or stream_channel() does not put the id as it is into a name.
-- Parameters: realm: that of the request; channel: any.
-- Returns:    presence, user or stream: the channel is of that kind; NULL: it is none of them.
-- Errors:     none.
-- Tables:     those of the application's functions.
-- Each function is asked for made-up ids, whose places in the answer are where ids stand. They are numbers, because a function may
-- take nothing else. Where presence_channel() looks realms up, that of the request is known at least.
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

-- pgevents.stream_channel(stream_id): the channel of a conversation. An application may replace this function.
-- Parameters: stream_id: the stream.
-- Returns:    the channel; NULL: typing in it is not published.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.stream_channel(stream_id text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT 'stream:' || stream_id
$$;

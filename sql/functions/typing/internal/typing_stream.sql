-- pgevents.typing_stream(realm, user_id, may_send, op, stream_id, topic): publishes to a stream that one of its members
-- is typing.
-- Parameters: realm, user_id: the user who types; may_send: the user's own setting; op: start or stop; stream_id,
--             topic: where.
-- Returns:    nothing.
-- Errors:     PT400, PT429.
-- Tables:     streams, stream_members, settings (read), staging, typing_counts (insert).
-- The same message for a stream that does not exist and for one that the user is not a member of, so that it reveals
-- neither. One event for all readers: the cost does not depend on their number.
CREATE OR REPLACE FUNCTION pgevents.typing_stream(realm text, user_id text, may_send boolean, op text,
  stream_id text, topic text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  IF stream_id IS NULL THEN
    PERFORM pgevents.param_missing('stream_id');
  ELSIF topic IS NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Missing topic');
  ELSIF octet_length(topic) > 1000 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Topic too long: at most 1000 bytes');
  ELSIF NOT may_send THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'User has disabled typing notifications for channel messages');
  END IF;
  IF NOT EXISTS (SELECT FROM pgevents.streams s
       WHERE s.stream_id = typing_stream.stream_id AND s.realm = typing_stream.realm AND NOT s.is_archived)
     OR NOT EXISTS (SELECT FROM pgevents.stream_members m
       WHERE m.stream_id = typing_stream.stream_id AND m.user_id = typing_stream.user_id) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid channel ID');
  END IF;
  PERFORM pgevents.typing_charge(realm, user_id, 1);
  PERFORM pgevents.stage(pgevents.stream_channel(stream_id), 'typing',
    format('{"op":%s,"message_type":"stream","sender":{"user_id":%s},"stream_id":%s,"topic":%s}',
      to_json(op), to_json(user_id), to_json(stream_id), to_json(topic))::json,
    pgevents.timing('typing_started_expiry'));
END
$$;

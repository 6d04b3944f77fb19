-- pgevents.typing_direct(realm, user_id, may_send, op, people): publishes to all users of a conversation that one of
-- them is typing.
-- Parameters: realm, user_id: the user who types; may_send: the user's own setting; op: start or stop; people: JSON
--             list of user ids.
-- Returns:    nothing.
-- Errors:     PT400, PT429.
-- Tables:     users, settings (read), staging, typing_counts (insert).
-- The sender is one of the recipients, for their other devices. A deactivated user stays in the list of recipients but
-- gets no event, as in Zulip. At most 100 recipients, because the event of each names them all. OFFSET 0 makes the
-- planner look each user up by the index, as in presence_changes().
CREATE OR REPLACE FUNCTION pgevents.typing_direct(realm text, user_id text, may_send boolean, op text, people jsonb)
RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ids     text[];
  wrong   text;
  payload json;
  expiry  interval := pgevents.timing('typing_started_expiry');
BEGIN
  IF people IS NULL THEN
    PERFORM pgevents.param_missing('to');
  ELSIF people = '[]' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Empty ''to'' list');
  ELSIF NOT may_send THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'User has disabled typing notifications for direct messages');
  ELSIF jsonb_array_length(people) > 100 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Too many recipients: at most 100');
  END IF;
  SELECT e.value #>> '{}' INTO wrong FROM jsonb_array_elements(people) WITH ORDINALITY e
    LEFT JOIN LATERAL (SELECT true AS is_known FROM pgevents.users u
       WHERE u.realm = typing_direct.realm AND u.user_id = e.value #>> '{}' OFFSET 0) u ON true
   WHERE jsonb_typeof(e.value) NOT IN ('string', 'number') OR u.is_known IS NULL
   ORDER BY e.ordinality LIMIT 1;
  IF FOUND THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid user ID ' || coalesce(left(wrong, 100), 'null'));
  END IF;
  SELECT array_agg(first.id ORDER BY first.place) INTO ids
    FROM (SELECT e.value #>> '{}' AS id, min(e.ordinality) AS place
            FROM jsonb_array_elements(people || to_jsonb(typing_direct.user_id)) WITH ORDINALITY e GROUP BY 1) first;
  PERFORM pgevents.typing_charge(realm, user_id, array_length(ids, 1));
  payload := format('{"op":%s,"message_type":"direct","sender":{"user_id":%s},"recipients":[%s]}',
    to_json(op), to_json(typing_direct.user_id),
    (SELECT string_agg('{"user_id":' || to_json(i.id) || '}', ',') FROM unnest(ids) i (id)));
  PERFORM pgevents.stage(c.channel, 'typing', payload, expiry)
     FROM (SELECT DISTINCT pgevents.user_channel(typing_direct.realm, i.id) AS channel FROM unnest(ids) i (id)
            CROSS JOIN LATERAL (SELECT FROM pgevents.users u WHERE u.realm = typing_direct.realm AND u.user_id = i.id
                                   AND u.is_active AND u.receives_typing_notifications OFFSET 0) u) c;
END
$$;

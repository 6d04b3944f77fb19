-- The demo's chat: its people, rooms and messages, and the trigger that stores messages. ./run up executes this file;
-- it can be executed again. The demo has no application server: a page publishes its message to the user's inbox,
-- `chat.in:<user>`, for which only that user's token has a grant. In the same transaction a trigger inserts the message
-- into the table and publishes an event to the room.
BEGIN;
SET LOCAL client_min_messages = warning;

-- The directory of the demo's own database; in another database these are additional users.
INSERT INTO pgevents.users (user_id)
  SELECT id::text FROM generate_series(10, 15) id ON CONFLICT DO NOTHING;
INSERT INTO pgevents.streams (stream_id, name)
  VALUES ('dairy', 'Dairy'), ('cellar', 'Cellar'), ('market', 'Market stall')
  ON CONFLICT DO NOTHING;
INSERT INTO pgevents.stream_members (stream_id, user_id)
  SELECT s, u::text FROM unnest(ARRAY['dairy', 'cellar', 'market']) s, generate_series(10, 15) u ON CONFLICT DO NOTHING;

CREATE SCHEMA IF NOT EXISTS chat;
CREATE TABLE IF NOT EXISTS chat.messages (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  room    text NOT NULL,
  author  text NOT NULL,
  body    text NOT NULL,
  said_at timestamptz NOT NULL DEFAULT now()
);

-- Writes a message to a room: inserts the row and publishes its event, both or neither. Errors: PT400, PT403.
CREATE OR REPLACE FUNCTION chat.say(author text, room text, body text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  message bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM pgevents.stream_members m WHERE m.stream_id = room AND m.user_id = author) THEN
    RAISE EXCEPTION USING ERRCODE = 'PT403', MESSAGE = 'Only members can write in this room',
      DETAIL = '{"code":"FORBIDDEN"}';
  ELSIF length(trim(body)) NOT BETWEEN 1 AND 2000 THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', MESSAGE = 'A message must have 1 to 2000 characters',
      DETAIL = '{"code":"BAD_REQUEST"}';
  END IF;
  INSERT INTO chat.messages (room, author, body) VALUES (say.room, say.author, trim(say.body))
    RETURNING id INTO message;
  PERFORM pgevents.publish('stream:' || room, 'message',
    json_build_object('id', message, 'author', author, 'body', trim(body)));
END
$$;

CREATE OR REPLACE FUNCTION chat.read_inbox() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM chat.say(substr(NEW.channel_id, length('chat.in:') + 1), coalesce(NEW.data ->> 'room', ''),
    coalesce(NEW.data ->> 'body', ''));
  RETURN NULL;
EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
  -- JSON can contain characters that PostgreSQL's text cannot: NUL, and halves of surrogate pairs.
  RAISE EXCEPTION USING ERRCODE = 'PT400', MESSAGE = 'A message cannot contain this character',
    DETAIL = '{"code":"BAD_REQUEST"}';
END
$$;
DROP TRIGGER IF EXISTS chat_inbox ON pgevents.log;
CREATE TRIGGER chat_inbox AFTER INSERT ON pgevents.log
  FOR EACH ROW WHEN (starts_with(NEW.channel_id, 'chat.in:')) EXECUTE FUNCTION chat.read_inbox();
COMMIT;

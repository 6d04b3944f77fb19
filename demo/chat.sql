-- The demo's chat: its people and rooms, its messages, and how a message is written. ./run up runs this file; it may run again.
-- There is no application server: a page publishes what it wants to say on its own inbox, `chat.in:<user>`, which its token allows for
-- that user alone. A trigger takes it from there, in the same transaction: the message goes into the table, its event to the room.
BEGIN;
SET LOCAL client_min_messages = warning;

-- Filled by this demo only where it owns the directory; on a database of somebody else's they are simply further users.
INSERT INTO pgevents.users (user_id)
  SELECT id::text FROM generate_series(10, 15) id ON CONFLICT DO NOTHING;
INSERT INTO pgevents.streams (stream_id, name) VALUES ('dairy', 'Dairy'), ('cellar', 'Cellar'), ('market', 'Market stall')
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

-- Says something in a room: the row and its event, both or neither. Errors: PT400, PT403.
CREATE OR REPLACE FUNCTION chat.say(author text, room text, body text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  message bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM pgevents.stream_members m WHERE m.stream_id = room AND m.user_id = author) THEN
    RAISE EXCEPTION USING ERRCODE = 'PT403', MESSAGE = 'Only members can write in this room', DETAIL = '{"code":"FORBIDDEN"}';
  ELSIF length(trim(body)) NOT BETWEEN 1 AND 2000 THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', MESSAGE = 'A message has 1 to 2000 characters', DETAIL = '{"code":"BAD_REQUEST"}';
  END IF;
  INSERT INTO chat.messages (room, author, body) VALUES (say.room, say.author, trim(say.body)) RETURNING id INTO message;
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
  -- JSON may hold characters that PostgreSQL's text cannot: NUL, and halves of surrogate pairs.
  RAISE EXCEPTION USING ERRCODE = 'PT400', MESSAGE = 'A message cannot hold this character',
    DETAIL = '{"code":"BAD_REQUEST"}';
END
$$;
DROP TRIGGER IF EXISTS chat_inbox ON pgevents.log;
CREATE TRIGGER chat_inbox AFTER INSERT ON pgevents.log
  FOR EACH ROW WHEN (starts_with(NEW.channel_id, 'chat.in:')) EXECUTE FUNCTION chat.read_inbox();
COMMIT;

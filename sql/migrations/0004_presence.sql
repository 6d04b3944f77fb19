-- Migration 4: the directory of users and streams, presence, connections; timings among the settings.

-- The directory: an application fills these three tables, or drops them and puts views of the same name in their place.
-- Hence nothing refers to them by a key or a type, here or in functions. The rule for names is that of name_is_sane(),
-- which the roles that fill the tables may not execute.
CREATE TABLE pgevents.users (
  realm   text COLLATE "C" NOT NULL DEFAULT 'main',
  user_id text COLLATE "C" NOT NULL,
  is_active                         boolean NOT NULL DEFAULT true,
  is_bot                            boolean NOT NULL DEFAULT false,
  presence_enabled                  boolean NOT NULL DEFAULT true,
  send_private_typing_notifications boolean NOT NULL DEFAULT true,
  send_stream_typing_notifications  boolean NOT NULL DEFAULT true,
  receives_typing_notifications     boolean NOT NULL DEFAULT true,
  joined_at timestamptz NOT NULL DEFAULT now() CHECK (isfinite(joined_at)),
  PRIMARY KEY (realm, user_id),
  CONSTRAINT users_names_sane CHECK (octet_length(realm) BETWEEN 1 AND 255 AND octet_length(user_id) BETWEEN 1 AND 255
                                     AND realm || user_id !~ E'[\\u0001-\\u001f\\u007f]')
);
COMMENT ON TABLE pgevents.users IS 'Who there is, filled by the application; may be replaced by a view';

CREATE TABLE pgevents.streams (
  stream_id   text COLLATE "C" PRIMARY KEY,
  realm       text COLLATE "C" NOT NULL DEFAULT 'main',
  name        text NOT NULL,
  is_archived boolean NOT NULL DEFAULT false,
  CONSTRAINT streams_names_sane CHECK (octet_length(stream_id) BETWEEN 1 AND 255 AND octet_length(realm) BETWEEN 1 AND 255
                                       AND stream_id || realm !~ E'[\\u0001-\\u001f\\u007f]')
);
COMMENT ON TABLE pgevents.streams IS 'Conversations, filled by the application; may be replaced by a view';

CREATE TABLE pgevents.stream_members (
  stream_id text COLLATE "C" NOT NULL,
  user_id   text COLLATE "C" NOT NULL,
  PRIMARY KEY (stream_id, user_id)
);
COMMENT ON TABLE pgevents.stream_members IS 'Who may write in a stream, filled by the application; may be replaced by a view';

-- One sequence for all realms; ids are drawn under the realm's lock and so follow commit order within a realm.
CREATE SEQUENCE pgevents.presence_update_seq AS bigint;

-- The row is the user's lock: a transaction that changes the user's presence holds it until the change is visible.
CREATE TABLE pgevents.presence (
  realm        text COLLATE "C" NOT NULL,
  user_id      text COLLATE "C" NOT NULL,
  active_at    timestamptz CHECK (isfinite(active_at)),
  active_told_at timestamptz,              -- active_at in the last event that reported it
  idle_at      timestamptz NOT NULL,
  is_connected boolean NOT NULL DEFAULT false,
  update_id    bigint NOT NULL DEFAULT 0,  -- of the last change; 0: not written yet, invisible to other transactions
  times_id     bigint NOT NULL DEFAULT 0,  -- update_id of the last change of times that an event reports
  connected_id bigint NOT NULL DEFAULT 0,  -- update_id of the last change of is_connected, always reported
  PRIMARY KEY (realm, user_id),
  CHECK (active_at <= idle_at)
);
COMMENT ON TABLE pgevents.presence IS 'When each user was last active, and in contact at all';
CREATE INDEX presence_realm_update_id_idx ON pgevents.presence (realm, update_id);

-- What events have reported. Written twice a second at most, whatever the number of users.
CREATE TABLE pgevents.presence_realms (
  realm      text COLLATE "C" PRIMARY KEY,
  flushed_id bigint NOT NULL DEFAULT 0,
  flushed_at timestamptz NOT NULL DEFAULT '-infinity',
  is_dirty   boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE pgevents.presence_realms IS 'Up to which update id the changes of a realm have been told';
CREATE INDEX presence_realms_dirty_idx ON pgevents.presence_realms (realm) WHERE is_dirty;

CREATE TABLE pgevents.presence_holders (
  holder      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  alive_until timestamptz NOT NULL,
  is_gone     boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE pgevents.presence_holders IS 'Processes that hold connections, each with a lease';

CREATE TABLE pgevents.connections (
  realm   text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  holder  bigint NOT NULL,     -- 0: polls, which have no holder
  until   timestamptz,         -- the end of the lease; NULL: it lives as long as its holder
  left_at timestamptz,
  PRIMARY KEY (realm, user_id, holder)
);
COMMENT ON TABLE pgevents.connections IS 'Which users are connected through which holder';
CREATE INDEX connections_holder_idx ON pgevents.connections (holder);
CREATE INDEX connections_until_idx ON pgevents.connections (until) WHERE until IS NOT NULL;
CREATE INDEX connections_left_at_idx ON pgevents.connections (left_at) WHERE left_at IS NOT NULL;

ALTER TABLE pgevents.settings ADD CONSTRAINT settings_timings_valid CHECK (
  NOT (starts_with(name, 'presence_') OR starts_with(name, 'typing_'))
  OR value::interval BETWEEN interval '1 millisecond' AND interval '7 days');
COMMENT ON TABLE pgevents.settings IS
  'Settings, all intervals: how long events are kept, how long a token may be valid, timings of presence and typing';
INSERT INTO pgevents.settings (name, value) VALUES
  ('presence_ping_interval', '60 seconds'),       -- how often clients report
  ('presence_offline_threshold', '200 seconds'),  -- without contact for longer: offline
  ('presence_flush_window', '1 second'),          -- the changes of a realm within it share an event
  ('presence_event_ttl', '1 hour'),               -- how long events of type "presence" are replayed
  ('presence_grace', '10 seconds'),               -- without a connection for longer: disconnected
  ('presence_lease', '30 seconds'),               -- a holder that has not renewed its lease for longer is gone
  ('typing_started_expiry', '45 seconds'),
  ('typing_started_wait', '30 seconds'),
  ('typing_stopped_wait', '12 seconds')
ON CONFLICT (name) DO NOTHING;

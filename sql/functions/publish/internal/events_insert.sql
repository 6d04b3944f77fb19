-- pgevents.events_insert(): INSTEAD OF INSERT on pgevents.events; checks an event and stages it until COMMIT.
-- Parameters: NEW: channel_id, data, expires_at; id and ts must be left out.
-- Returns:    NEW, so that the statement reports the row.
-- Errors:     PT400.
-- Tables:     staging, staging_rest (insert), settings (read).
CREATE OR REPLACE FUNCTION pgevents.events_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  event record;
  turn  bigint;
BEGIN
  IF NEW.id IS NOT NULL OR NEW.ts IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'id and ts are given at COMMIT: leave them out');
  END IF;
  event := pgevents.split_data(NEW.data, '{type,data}');
  IF event.unknown IS NOT NULL OR pgevents.is_plain(NEW.channel_id, event.type, NEW.expires_at) IS NOT TRUE THEN
    IF pgevents.is_plain(NEW.channel_id, event.type, NEW.expires_at) IS NOT TRUE THEN
      PERFORM pgevents.remark(NEW.channel_id, event.type, NEW.expires_at);
    END IF;
    IF event.unknown IS NOT NULL THEN
      PERFORM pgevents.complain('unknown_members',
        format('Member %s is unknown: an event has type and data', event.unknown));
    END IF;
  END IF;
  IF coalesce(current_setting('pgevents.turn', true), '') = '' THEN  -- the transaction's first event
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
      VALUES (NEW.channel_id, event.type, event.inner_data, NEW.expires_at);
    RETURN NEW;
  END IF;
  turn := pgevents.turn_number();
  IF turn > 0 THEN
    INSERT INTO pgevents.staging_rest (turn, channel_id, type, data, expires_at)
      VALUES (turn, NEW.channel_id, event.type, event.inner_data, NEW.expires_at);
  ELSE
    INSERT INTO pgevents.staging (turn, channel_id, type, data, expires_at)
      VALUES (-turn, NEW.channel_id, event.type, event.inner_data, NEW.expires_at);
  END IF;
  RETURN NEW;
END
$$;

-- pgevents.publish_control(type, data): publishes on pgevents' own channel, to all servers, when the transaction commits.
-- Parameters: type: one of those that core/wire/control.hpp knows; data: what belongs to it.
-- Returns:    nothing: the event gets its id at COMMIT.
-- Errors:     none of its own.
-- Tables:     staging (insert).
-- It does not expire: expired events go without leaving a gap, and then a server that was cut off would not know what it missed.
CREATE OR REPLACE FUNCTION pgevents.publish_control(type text, data json) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pgevents.staging (channel_id, type, data, staged_at)
    VALUES ('pgevents.control', publish_control.type, publish_control.data, now());
END
$$;

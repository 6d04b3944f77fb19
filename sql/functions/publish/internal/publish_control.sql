-- pgevents.publish_control(type, data): publishes on pgevents' own channel, to all servers, when the transaction
-- commits.
-- Parameters: type: one of those in core/wire/control.hpp; data: of that type.
-- Returns:    nothing: the event gets its id at COMMIT.
-- Errors:     none of its own.
-- Tables:     staging (insert).
-- The event does not expire: expired events leave no gap, so a server that was cut off would not notice that it missed
-- one. It is a turn of its own (turn_number()), whatever a session has set, and ends the one that is open. The
-- transaction does not leave its events: what is revoked is revoked when COMMIT returns.
CREATE OR REPLACE FUNCTION pgevents.publish_control(type text, data json) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  nothing text := set_config('pgevents.turn', '', true);
BEGIN
  nothing := set_config('pgevents.direct', 'yes', true);
  INSERT INTO pgevents.staging (turn, channel_id, type, data)
    VALUES (NULL, 'pgevents.control', publish_control.type, publish_control.data);
END
$$;

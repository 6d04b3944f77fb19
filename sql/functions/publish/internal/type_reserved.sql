-- pgevents.type_reserved(type): why an event must not have a type that browsers use themselves.
-- Parameters: type: error or open.
-- Returns:    the message.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.type_reserved(type text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT format('Event type ''%s'' is reserved: an EventSource would take it for its own event', type)
$$;

-- pgevents.presence_answer(request): the answer to a report over HTTP that has been written.
-- Parameters: request: as returned by presence_request().
-- Returns:    the whole answer.
-- Errors:     none of its own.
-- Tables:     presence, users (read).
CREATE OR REPLACE FUNCTION pgevents.presence_answer(request jsonb) RETURNS json
LANGUAGE plpgsql AS $$
BEGIN
  IF request -> 'ping_only' = 'true' THEN
    RETURN pgevents.answer(request ->> 'answer');
  END IF;
  RETURN pgevents.answer(request ->> 'answer', pgevents.presence_part(request -> 'share', request ->> 'realm',
    (request ->> 'after')::bigint, (request ->> 'days')::bigint, (request ->> 'slim')::boolean));
END
$$;

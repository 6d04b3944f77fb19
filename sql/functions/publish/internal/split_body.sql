-- pgevents.split_body(body): takes apart the body of a publication over HTTP.
-- Parameters: body: text, {"type": T, "data": D, "ttl": seconds}; data and ttl may be absent, ttl also null; other
--             members are rejected.
-- Returns:    type, inner_data as split_data(); expires_at: NULL without ttl.
-- Errors:     PT400.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.split_body(body text,
  OUT type text, OUT inner_data json, OUT expires_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  object  json;
  unknown text;
  ttl     json;
  seconds numeric;
BEGIN
  BEGIN
    object := body::json;
  EXCEPTION WHEN invalid_text_representation OR statement_too_complex THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'The body is not valid JSON');
  END;
  SELECT s.type, s.inner_data, s.ttl, s.unknown INTO split_body.type, split_body.inner_data, ttl, unknown
    FROM pgevents.split_data(object, '{type,data,ttl}') s;
  IF unknown IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      format('Member %s is unknown: a publication has type, data and ttl', unknown));
  END IF;
  IF ttl IS NULL OR json_typeof(ttl) = 'null' THEN
    RETURN;
  END IF;
  -- With greater exponents the cast to numeric would raise an error of its own.
  IF json_typeof(ttl) = 'number' AND length(ttl::text) <= 40 AND ttl::text !~ '[eE][+-]?[0-9]{4}' THEN
    seconds := (ttl::text)::numeric;
  END IF;
  IF seconds IS NULL OR seconds < 0.001 OR seconds > 3153600000 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid ttl: a number of seconds, from 0.001 to 100 years');
  END IF;
  expires_at := clock_timestamp() + seconds * interval '1 second';
END
$$;

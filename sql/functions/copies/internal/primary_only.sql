-- pgevents.primary_only(): rejects on a copy what only the primary can do. Everything that writes calls it before it
-- changes anything.
-- Parameters: none.
-- Returns:    nothing.
-- Errors:     PT503 on a copy.
-- Tables:     copy_mark (read, through is_fed()).
CREATE OR REPLACE FUNCTION pgevents.primary_only() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF pgevents.is_fed() THEN
    PERFORM pgevents.raise_error(503, 'SERVICE_UNAVAILABLE',
      'This database is not the primary: it is a copy, which only serves subscribers');
  END IF;
END
$$;

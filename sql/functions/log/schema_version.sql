-- pgevents.schema_version(): which programs these functions serve. The front-ends ask it with each new connection.
-- Parameters: none.
-- Returns:    one row: version: the schema version that the functions belong to; serves_from: programs that were made
--             for this schema version, or a later one, may use them.
-- Errors:     none.
-- Tables:     none.
-- A program knows the oldest schema version that it can use, the functions know the oldest program: so a program works
-- with the schema of the next release too, if that release says so. Raise serves_from only when a function that an
-- older program calls is gone or means something else. Schema versions before 9 do not have this function.
CREATE OR REPLACE FUNCTION pgevents.schema_version() RETURNS TABLE (version int, serves_from int)
LANGUAGE sql IMMUTABLE ROWS 1 AS $$
  SELECT 12, 7
$$;

-- pgevents.revocation_us(before): the time of a revocation in the form that the front-ends read.
-- Parameters: before: any point in time, also an infinite one.
-- Returns:    whole microseconds since the epoch; 0 for the epoch and earlier, where nothing is revoked because no
--             token is that old; the greatest bigint from the year 9999 on: revoked until it is lifted.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.revocation_us(before timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN before <= timestamptz '1970-01-01 00:00:00+00' THEN 0
    WHEN before >= timestamptz '9999-01-01 00:00:00+00' THEN 9223372036854775807
    ELSE pgevents.us(before)
  END
$$;

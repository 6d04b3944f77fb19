-- pgevents.typing_charge(realm, user_id, events): counts typing events, and rejects them beyond the setting
-- typing_rate.
-- Parameters: realm, user_id: the user who causes them; events: how many.
-- Returns:    nothing.
-- Errors:     PT429, code RATE_LIMIT_HIT, with the seconds to wait as "retry-after". A rejected request is not counted.
-- Tables:     settings (read), typing_counts (insert, update).
-- A minute begins with the first event after the last minute ended. Without the setting nothing is written.
CREATE OR REPLACE FUNCTION pgevents.typing_charge(realm text, user_id text, events int) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  rate  text := (SELECT s.value FROM pgevents.settings s WHERE s.name = 'typing_rate');
  at    timestamptz := clock_timestamp();
  count record;
BEGIN
  IF coalesce(rate, 'off') = 'off' THEN
    RETURN;
  END IF;
  INSERT INTO pgevents.typing_counts AS c (realm, user_id, since, events)
    VALUES (typing_charge.realm, typing_charge.user_id, at, typing_charge.events)
    ON CONFLICT (realm, user_id) DO UPDATE SET
      since = CASE WHEN c.since BETWEEN at - interval '1 minute' AND at THEN c.since ELSE at END,
      events = CASE WHEN c.since BETWEEN at - interval '1 minute' AND at THEN c.events ELSE 0 END + excluded.events
    RETURNING c.since, c.events INTO count;
  IF count.events > rate::bigint THEN
    RAISE EXCEPTION USING ERRCODE = 'PT429', MESSAGE = 'Too many typing notifications',
      DETAIL = format('{"code":"RATE_LIMIT_HIT","retry-after":%s}',
        greatest(1, ceil(date_part('epoch', count.since + interval '1 minute' - at))));
  END IF;
END
$$;

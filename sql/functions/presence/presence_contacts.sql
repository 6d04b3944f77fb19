-- pgevents.presence_contacts(holder, contacts): records which users are connected through a process, and which no
-- longer are.
-- Parameters: holder: as returned by holder_open(); contacts:
--             [{"realm":…,"user":…},{"realm":…,"user":…,"left":true},…], may be empty: the lease is renewed. A user
--             listed without "left" has connected or is still connected; this counts as an idle report. Of several
--             entries for a user the last one counts for "left".
-- Returns:    a row. report_ms: report users who are still connected again after this many milliseconds; renew_ms: call
--             the function again after this many at most, even with nothing to report. No row: this holder does not
--             exist (any more), nothing was written. Open a new one and report all users. On a copy nothing is
--             recorded: connections are reported to the primary, or not at all.
-- Errors:     none of its own.
-- Tables:     presence_holders (update), settings (read), and as presence_report().
-- Writes the lease a few times in its length, not with every batch.
CREATE OR REPLACE FUNCTION pgevents.presence_contacts(holder bigint, contacts jsonb)
RETURNS TABLE (report_ms int, renew_ms int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  lease interval := pgevents.timing('presence_lease');
  at    timestamptz := clock_timestamp();
  ends  timestamptz := (SELECT h.alive_until FROM pgevents.presence_holders h
                         WHERE h.holder = presence_contacts.holder AND NOT h.is_gone);
BEGIN
  report_ms := pgevents.timing_ms('presence_ping_interval');
  renew_ms := greatest(1, pgevents.timing_ms('presence_lease') / 3);
  IF holder = 0 AND pgevents.is_fed() THEN
    RETURN NEXT;
    RETURN;
  END IF;
  IF ends < at + lease * 3 / 4 THEN
    UPDATE pgevents.presence_holders h SET alive_until = at + lease
     WHERE h.holder = presence_contacts.holder AND NOT h.is_gone RETURNING h.alive_until INTO ends;
  END IF;
  IF ends IS NULL OR pgevents.presence_report(contacts, presence_contacts.holder) < 0 THEN
    RETURN;
  END IF;
  RETURN NEXT;
END
$$;

-- pgevents.presence_contacts(holder, contacts): who is connected through a process, and who is no longer.
-- Parameters: holder: as holder_open() gave it; contacts: [{"realm":…,"user":…},{"realm":…,"user":…,"left":true},…], may be
--             empty: the lease is renewed. Who is said to be there has connected or still is; it counts as an idle report.
--             Of several entries for a user the last says whether he is there.
-- Returns:    a row. report_ms: those who are still connected are to be reported again after so many milliseconds; renew_ms: after
--             so many at most it must be called again, even with nothing to report. No row: this holder is not known (any more),
--             nothing was written. Open a new one and report everybody.
-- Errors:     none of its own.
-- Tables:     presence_holders (update), settings (read), and as presence_report().
-- The lease is written a few times in its length, not with every batch.
CREATE OR REPLACE FUNCTION pgevents.presence_contacts(holder bigint, contacts jsonb) RETURNS TABLE (report_ms int, renew_ms int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  lease interval := pgevents.timing('presence_lease');
  at    timestamptz := clock_timestamp();
  ends  timestamptz := (SELECT h.alive_until FROM pgevents.presence_holders h
                         WHERE h.holder = presence_contacts.holder AND NOT h.is_gone);
BEGIN
  IF ends < at + lease * 3 / 4 THEN
    UPDATE pgevents.presence_holders h SET alive_until = at + lease
     WHERE h.holder = presence_contacts.holder AND NOT h.is_gone RETURNING h.alive_until INTO ends;
  END IF;
  IF ends IS NULL OR pgevents.presence_report(contacts, presence_contacts.holder) < 0 THEN
    RETURN;
  END IF;
  report_ms := pgevents.timing_ms('presence_ping_interval');
  renew_ms := greatest(1, pgevents.timing_ms('presence_lease') / 3);
  RETURN NEXT;
END
$$;

-- pgevents.presence_poll(identity, seconds): records a poll of the fallback, which counts as a connection and as an
-- idle report.
-- Parameters: identity: {"user":…,"realm":…}; without a user, or on a copy, the function does nothing; seconds: when
--             the next poll is due.
-- Returns:    whether anything was written. Usually not: the connection lasts a lease longer than it must, so that a
--             user who polls every few seconds costs one write in each lease.
-- Errors:     none of its own.
-- Tables:     as presence_report().
CREATE OR REPLACE FUNCTION pgevents.presence_poll(identity jsonb, seconds int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  at      timestamptz := clock_timestamp();
  until   timestamptz := at + seconds * interval '1 second' + pgevents.timing('presence_grace');
  contact jsonb := jsonb_build_array(jsonb_build_object('user', identity ->> 'user',
                     'realm', coalesce(nullif(identity ->> 'realm', ''), 'main')));
BEGIN
  IF coalesce(identity ->> 'user', '') = '' OR pgevents.is_fed() OR NOT EXISTS (
      SELECT FROM pgevents.presence_changes(contact, 0, until, at) c WHERE c.contact_due OR c.row_due) THEN
    RETURN false;
  END IF;
  PERFORM pgevents.presence_report(contact, 0, until);
  RETURN true;
END
$$;

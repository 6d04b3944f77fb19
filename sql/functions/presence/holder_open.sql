-- pgevents.holder_open(): opens a presence session (holder): a number under which a process reports its connections
-- from now on.
-- Parameters: none.
-- Returns:    the holder, with a lease, which each presence_contacts() renews; 0 on a copy, where presence_contacts()
--             records nothing.
-- Errors:     none.
-- Tables:     presence_holders (insert), settings (read).
CREATE OR REPLACE FUNCTION pgevents.holder_open() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_holder bigint;
BEGIN
  IF pgevents.is_fed() THEN
    RETURN 0;
  END IF;
  INSERT INTO pgevents.presence_holders (alive_until)
    VALUES (clock_timestamp() + pgevents.timing('presence_lease')) RETURNING holder INTO new_holder;
  RETURN new_holder;
END
$$;

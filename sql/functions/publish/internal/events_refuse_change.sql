-- pgevents.events_refuse_change(): INSTEAD OF UPDATE OR DELETE on pgevents.events; rejects both: published events stay.
-- Parameters: none.
-- Returns:    never.
-- Errors:     PT405.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.events_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'Events cannot be changed or deleted'
    USING ERRCODE = 'PT405', DETAIL = '{"code":"METHOD_NOT_ALLOWED"}',
          HINT = 'Publish another event. pgevents.prune() removes events that are older than the setting "retention".';
END
$$;

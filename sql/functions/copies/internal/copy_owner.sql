-- pgevents.copy_owner(): rejects callers that may not administer publications, subscriptions and copies.
-- Parameters: none.
-- Returns:    nothing.
-- Errors:     PT403 unless the caller owns the schema's tables, or is a superuser; PT409 on a standby.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.copy_owner() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  owner oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = 'pgevents.log'::regclass);
BEGIN
  IF NOT pg_has_role(owner, 'USAGE') THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN',
      format('Only a superuser or %s, the owner of pgevents, may do this', owner::regrole));
  ELSIF pg_is_in_recovery() THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', 'This server is a standby: connect to its primary');
  ELSIF NOT starts_with(current_setting('transaction_isolation'), 'read') THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', 'Call this in a transaction that is READ COMMITTED');
  END IF;
END
$$;

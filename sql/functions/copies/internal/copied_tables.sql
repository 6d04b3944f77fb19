-- pgevents.copied_tables(): the tables that a copy needs, no more and no fewer.
-- Parameters: none.
-- Returns:    their names in the schema.
-- Errors:     none.
-- Tables:     none.
-- log, and how to read cursors in it: history (what is pruned) and generations (what was lost). revocations, by which
-- servers reject tokens. idempotency_keys, so that a client may repeat a publication after the copy was promoted. Not
-- the settings: migrations write them on either side, which would conflict. Not ready: its events have no ids yet. The
-- directory and presence belong to the primary, which answers what needs them.
CREATE OR REPLACE FUNCTION pgevents.copied_tables() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ARRAY['log', 'history', 'generations', 'revocations', 'idempotency_keys']
$$;

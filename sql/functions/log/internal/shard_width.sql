-- pgevents.shard_width(): how many ids each shard has for itself (become_shard()). Ninety such ranges fit below 2^53,
-- beyond which JavaScript has no exact integers.
-- Parameters: none.
-- Returns:    bigint.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.shard_width() RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT 100000000000000::bigint
$$;

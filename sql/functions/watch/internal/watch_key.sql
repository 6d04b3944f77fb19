-- pgevents.watch_key(relation, alias): the values by which a row is another one.
-- Parameters: relation: the table; alias: the row in the expressions: OLD or NEW.
-- Returns:    a list of expressions of type text, one for each column of the primary key; '' without one.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.watch_key(relation regclass, alias text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT coalesce(string_agg(format('%s.%I::text', alias, a.attname), ', ' ORDER BY a.attnum), '')
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = ANY (i.indkey)
   WHERE i.indrelid = relation AND i.indisprimary
$$;

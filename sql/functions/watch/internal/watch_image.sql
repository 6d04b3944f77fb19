-- pgevents.watch_image(columns, alias): an expression for what watch() publishes of a row.
-- Parameters: columns: checked; alias: the row in the expression: r, OLD or NEW.
-- Returns:    SQL, whose value is a JSON object as text, never NULL.
-- Errors:     none.
-- Tables:     none.
-- A plain expression, without a limit to the number of columns: PL/pgSQL evaluates it without starting a query. Text,
-- so that values are compared that have no operator for it.
CREATE OR REPLACE FUNCTION pgevents.watch_image(columns text[], alias text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT string_agg(format('%L || coalesce(to_json(%s.%I)::text, ''null'')',
                           CASE w.n WHEN 1 THEN '{' ELSE ',' END || to_json(w.name) || ':', alias, w.name),
                    ' || ' ORDER BY w.n) || ' || ''}'''
    FROM unnest(columns) WITH ORDINALITY w (name, n)
$$;

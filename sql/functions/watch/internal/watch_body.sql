-- pgevents.watch_body(relation, template, columns, type, old_values): the body of the function of watching triggers.
-- Parameters: as watch(), checked.
-- Returns:    PL/pgSQL.
-- Errors:     none.
-- Tables:     none.
-- A row that gets another channel or primary key is another one for subscribers: it is deleted there and created here,
-- as PostgreSQL itself treats a row that moves to another partition. An update of other columns publishes nothing.
-- The function keeps to expressions that PL/pgSQL evaluates without starting a query. TRUNCATE finds the rows in the
-- table, whatever its name is by then.
CREATE OR REPLACE FUNCTION pgevents.watch_body(relation regclass, template text, columns text[], type text,
  old_values boolean) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  side    text := E'  IF TG_OP <> %1$L THEN\n    %2$s_channel := %3$s;\n    %2$s_key := ARRAY[%4$s]::text[];\n'
                  '    %2$s_image := %5$s;\n  END IF;';
  publish text := '      PERFORM pgevents.publish(%s_channel, %L, (%s || %s_image || ''}'')::json);';
BEGIN
  RETURN concat_ws(E'\n', '', 'DECLARE',
    '  old_channel text;', '  old_key text[];', '  old_image text;',
    '  new_channel text;', '  new_key text[];', '  new_image text;',
    'BEGIN',
    $q$  IF to_regnamespace('pgevents') IS NULL THEN  -- pgevents was removed$q$,
    '    RETURN NULL;',
    $q$  ELSIF TG_OP = 'TRUNCATE' THEN$q$,
    format('    EXECUTE %L || TG_RELID::regclass || '' r'';', format(
      'SELECT pgevents.publish(%s, %L, (''{"old":'' || %s || ''}'')::json) FROM ',
      pgevents.watch_channel(relation, template, 'r'), type || '_deleted', pgevents.watch_image(columns, 'r'))),
    '    RETURN NULL;',
    '  END IF;',
    format(side, 'INSERT', 'old', pgevents.watch_channel(relation, template, 'OLD'),
           pgevents.watch_key(relation, 'OLD'), pgevents.watch_image(columns, 'OLD')),
    format(side, 'DELETE', 'new', pgevents.watch_channel(relation, template, 'NEW'),
           pgevents.watch_key(relation, 'NEW'), pgevents.watch_image(columns, 'NEW')),
    '  IF old_channel = new_channel AND old_key = new_key THEN',
    '    IF old_image <> new_image THEN',
    format(publish, 'new', type || '_updated',
      CASE WHEN old_values THEN $q$'{"old":' || old_image || ',"new":'$q$ ELSE $q$'{"new":'$q$ END, 'new'),
    '    END IF;',
    '  ELSE',
    '    IF old_channel IS NOT NULL THEN',
    format(publish, 'old', type || '_deleted', $q$'{"old":'$q$, 'old'),
    '    END IF;',
    '    IF new_channel IS NOT NULL THEN',
    format(publish, 'new', type || '_created', $q$'{"new":'$q$, 'new'),
    '    END IF;',
    '  END IF;', '  RETURN NULL;', 'END', '');
END
$$;

-- pgevents.channel_matches(channel, template): whether a channel has the form of an example, for channel_kind().
-- Parameters: channel: a name; template: the channel of made-up ids, each a number of ten digits that begins with 87
--             (NULL: no channel).
-- Returns:    true if the channel has any text in place of each number; false if template is nothing but a number.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.channel_matches(channel text, template text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(template !~ '^87[0-9]{8}$' AND channel LIKE
    regexp_replace(regexp_replace(template, E'([\\\\%_])', E'\\\\\\1', 'g'), '87[0-9]{8}', '_%', 'g'), false)
$$;

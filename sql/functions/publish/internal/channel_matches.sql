-- pgevents.channel_matches(channel, template): whether a channel is made like an example.
-- Parameters: channel: a name; template: the channel of made-up ids, of which each is a number of ten digits that begins with 87
--             (NULL: there is none).
-- Returns:    true where the channel has anything in place of each number; false where template is nothing but a number.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.channel_matches(channel text, template text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(template !~ '^87[0-9]{8}$' AND channel LIKE
    regexp_replace(regexp_replace(template, E'([\\\\%_])', E'\\\\\\1', 'g'), '87[0-9]{8}', '_%', 'g'), false)
$$;

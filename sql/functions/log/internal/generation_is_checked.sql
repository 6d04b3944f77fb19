-- pgevents.generation_is_checked(): whether this session knows that the generation of ids is the right one
-- (check_generation()).
-- Parameters: none.
-- Returns:    boolean.
-- Errors:     55000 if the session has set pgevents.generation_checked itself, or has discarded its sequences, but not
--             its settings.
-- Tables:     none (the sequence generation_seen).
-- The setting holds the oid of the sequence, which is another one after a restore. Any session may set it. currval()
-- fails unless this session has called nextval() before, and only the owner's functions have the right to do that.
-- turns_sequence() has the same two conditions.
CREATE OR REPLACE FUNCTION pgevents.generation_is_checked() RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  RETURN coalesce(current_setting('pgevents.generation_checked', true), '')
      = 'pgevents.generation_seen'::regclass::oid::text
    AND currval('pgevents.generation_seen'::regclass) > 0;
END
$$;

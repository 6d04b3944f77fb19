-- Called by install.sql: replaces texts of COMMENT ON in the migrations, whose statements do not change any more.
DO $$
DECLARE
  comment record;
BEGIN
  -- A table is missing while install.sql stops at an earlier version; a view in its place belongs to the application.
  FOR comment IN
    SELECT c.oid::regclass AS relation, wanted.text
      FROM (VALUES
        ('revocations', 'Users whose tokens issued before a time are rejected; infinity: all, until it is lifted'),
        ('users', 'The users, filled by the application; may be replaced by a view'),
        ('streams', 'The streams (conversations), filled by the application; may be replaced by a view'),
        ('stream_members', 'The users who may write in a stream, filled by the application; may be replaced by a view'),
        ('presence', 'When each user was last active, and last in contact'),
        ('presence_realms', 'The update id up to which events have reported the changes of a realm'),
        ('presence_holders', 'Presence sessions: processes that hold connections, each with a lease'),
        ('crash_mark', 'One row, which a crash removes, because it empties every unlogged table'),
        ('typing_counts', 'Number of typing events by user, while the setting typing_rate is on')
      ) wanted (name, text)
      JOIN pg_class c ON c.relname = wanted.name AND c.relnamespace = 'pgevents'::regnamespace AND c.relkind = 'r'
     WHERE obj_description(c.oid, 'pg_class') IS DISTINCT FROM wanted.text
  LOOP
    EXECUTE format('COMMENT ON TABLE %s IS %L', comment.relation, comment.text);
  END LOOP;
END
$$;

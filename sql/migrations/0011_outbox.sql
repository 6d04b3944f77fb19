-- Migration 11: a view for object-relational mappers, which want a table with a key that the insert returns.

-- It shows no rows, so that the right to select, which RETURNING needs, lets a publisher read nothing.
CREATE VIEW pgevents.outbox AS
  SELECT NULL::uuid AS outbox_id, NULL::text COLLATE "C" AS channel_id, NULL::text COLLATE "C" AS type,
         NULL::json AS data, NULL::timestamptz AS expires_at
   WHERE false;
COMMENT ON VIEW pgevents.outbox IS 'Insert (channel_id, type, data) to publish; shows no rows';
COMMENT ON COLUMN pgevents.outbox.outbox_id IS
  'The key of the insert, for the application alone: not the event''s id, and no cursor';
-- outbox_insert() gives an explicit NULL the same value. The default is for programs that read the catalog.
ALTER VIEW pgevents.outbox ALTER COLUMN outbox_id SET DEFAULT gen_random_uuid();

-- The trigger needs the function. install.sql replaces it afterwards; sql/functions describes it.
CREATE OR REPLACE FUNCTION pgevents.outbox_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN NEW;
END
$$;
CREATE TRIGGER outbox_insert INSTEAD OF INSERT ON pgevents.outbox
  FOR EACH ROW EXECUTE FUNCTION pgevents.outbox_insert();
-- For the message of a role that has no right to update: without it PostgreSQL suggests this trigger.
CREATE TRIGGER outbox_refuse_change INSTEAD OF UPDATE OR DELETE ON pgevents.outbox
  FOR EACH ROW EXECUTE FUNCTION pgevents.events_refuse_change();

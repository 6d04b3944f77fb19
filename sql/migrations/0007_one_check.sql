-- Migration 7: an event is checked once, where it is staged. PostgreSQL reads a table's checks anew for each statement,
-- which cost half as much as a plain INSERT does; event_fault() is called before, and nothing else gets into the log.
ALTER TABLE pgevents.log DROP CONSTRAINT log_times_finite;
DROP FUNCTION IF EXISTS pgevents.check_event(text, text, timestamptz);

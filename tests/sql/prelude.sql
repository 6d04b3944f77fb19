-- Put before every test in SQL by run.sh: the checks.
SET client_min_messages = warning;
CREATE TEMP SEQUENCE checks MINVALUE 0 START 0;
SELECT nextval('checks');

-- The condition holds (NULL is a failure).
CREATE FUNCTION pg_temp.ok(condition boolean, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM nextval('checks');
  IF condition IS NOT TRUE THEN RAISE EXCEPTION 'check failed: %', what; END IF;
END $$;

CREATE FUNCTION pg_temp.equal(got text, wanted text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM nextval('checks');
  IF got IS DISTINCT FROM wanted THEN
    RAISE EXCEPTION 'check failed: %', what USING DETAIL = format(E'got    %s\nwanted %s', got, wanted);
  END IF;
END $$;

-- The statement fails with this SQLSTATE and a message that contains this text; detail, if given, is the exact DETAIL.
CREATE FUNCTION pg_temp.fails(statement text, state text, message text, detail text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  got_message text;
  got_detail  text;
BEGIN
  PERFORM nextval('checks');
  BEGIN
    EXECUTE statement;
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS got_message = MESSAGE_TEXT, got_detail = PG_EXCEPTION_DETAIL;
    IF SQLSTATE <> state OR strpos(got_message, message) = 0 OR got_detail IS DISTINCT FROM coalesce(detail, got_detail) THEN
      RAISE EXCEPTION 'wrong error for %: % % %', statement, SQLSTATE, got_message, got_detail;
    END IF;
    RETURN;
  END;
  RAISE EXCEPTION 'no error for: %', statement;
END $$;
-- Tests change roles; the checks must go on working.
DO $$ BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()));
END $$;
GRANT ALL ON SEQUENCE checks TO PUBLIC;

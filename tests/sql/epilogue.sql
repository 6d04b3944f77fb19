
-- run.sh appends it to every test in SQL: a test without a check fails.
RESET ROLE;
SELECT pg_temp.ok(currval('checks') > 0, 'the test checks something');


-- Put behind every test in SQL by run.sh: a test that has checked nothing has not passed.
RESET ROLE;
SELECT pg_temp.ok(currval('checks') > 0, 'the test checks something');

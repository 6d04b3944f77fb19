-- pgevents.raise_error(status, code, message): raises the error that the front-ends turn into an HTTP answer.
-- Parameters: status: HTTP status; code: for programs (BAD_REQUEST, …); message: for people.
-- Returns:    never.
-- Errors:     SQLSTATE PT<status>, MESSAGE = message, DETAIL = {"code":"<code>"}.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.raise_error(status int, code text, message text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'PT' || status,
    MESSAGE = raise_error.message,
    DETAIL = '{"code":' || to_json(raise_error.code)::text || '}';
END
$$;

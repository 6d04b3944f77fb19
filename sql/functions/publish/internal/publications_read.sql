-- pgevents.publications_read(requests): reads and checks several publications over HTTP without changing anything.
-- Parameters: requests: as http_publish_many().
-- Returns:    for each request, in their order: the arguments of publication_write(); or, if it was rejected, "state",
--             "message" and "detail" of the error; or {} after an error that is not for the client.
-- Errors:     none of its own.
-- Tables:     those of channel_kind().
-- One subtransaction is enough for all requests up to the next one with an error: the variables keep what has been
-- read. In a subtransaction of its own each would take twice as long, because PostgreSQL plans the bodies of SQL
-- functions again in each.
CREATE OR REPLACE FUNCTION pgevents.publications_read(requests jsonb) RETURNS jsonb[]
LANGUAGE plpgsql AS $$
DECLARE
  request     jsonb;
  publication record;
  outcomes    jsonb[] := '{}';
  message     text;
  detail      text;
BEGIN
  WHILE cardinality(outcomes) < jsonb_array_length(requests) LOOP
    BEGIN
      FOR i IN cardinality(outcomes)..jsonb_array_length(requests) - 1 LOOP
        request := requests -> i;
        publication := pgevents.publication_read(request -> 'identity', request ->> 'channel', request ->> 'body',
          request ->> 'idempotency_key');
        outcomes := outcomes || jsonb_build_object('channel', request -> 'channel', 'type', publication.type,
          'data', publication.inner_data::text, 'expires_at', publication.expires_at,
          'key_scope', publication.key_scope, 'body_digest', publication.body_digest);
      END LOOP;
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      outcomes := outcomes || CASE WHEN SQLSTATE ~ '^PT[45][0-9][0-9]$'
        THEN jsonb_build_object('state', SQLSTATE, 'message', message, 'detail', detail) ELSE '{}' END;
    END;
  END LOOP;
  RETURN outcomes;
END
$$;

-- pgevents.http_publish_many(requests): does several http_publish() in one transaction, for a server with many
-- publishers.
-- Parameters: requests: [{"identity":…,"channel":…,"body":…,"idempotency_key":…},…], the arguments of http_publish()
-- Returns:    a row for each request, in their order: answer; or, if the request was rejected, state (SQLSTATE),
--             message and detail as the error would have had them; or only NULLs: the request was left out, and
--             http_publish() must do it. A request that is rejected or left out does not affect the others.
-- Errors:     none of its own.
-- Tables:     as http_publish().
-- Ids are in the order of the requests. It leaves out what http_publish() might wait for, and what failed for another
-- reason than the request: see publications_read() and publications_claim(). So it waits for no key, and causes no
-- deadlock. It waits for the lock "append" when all requests have been checked, and only writes while it holds it.
CREATE OR REPLACE FUNCTION pgevents.http_publish_many(requests jsonb)
RETURNS TABLE (answer jsonb, state text, message text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  outcome jsonb;
  id      bigint;
BEGIN
  FOREACH outcome IN ARRAY pgevents.publications_claim(pgevents.publications_read(requests)) LOOP
    id := outcome -> 'id';
    IF outcome ? 'type' THEN
      id := pgevents.publication_write(outcome ->> 'channel', outcome ->> 'type', (outcome ->> 'data')::json,
        (outcome ->> 'expires_at')::timestamptz, (outcome ->> 'key_scope')::bytea, (outcome ->> 'body_digest')::bytea);
    END IF;
    answer := CASE WHEN id IS NOT NULL THEN jsonb_build_object('result', 'success', 'id', id) END;
    state := outcome ->> 'state';
    message := outcome ->> 'message';
    detail := outcome ->> 'detail';
    RETURN NEXT;
  END LOOP;
END
$$;

-- pgevents.http_publish_many(requests): does several http_publish() in one transaction, for a front-end at which many
-- clients publish; one call in each transaction.
-- Parameters: requests: [{"identity":…,"channel":…,"body":"…","idempotency_key":…},…]: the arguments of http_publish(),
--             in the order in which the requests came; body is a string with the body's text; identity and
--             idempotency_key may be null or absent.
-- Returns:    a row for each request, in their order: answer, as http_publish() returns it; or, if the request failed,
--             state (SQLSTATE), message and detail as the error would have had them. A request that fails does not
--             affect the others. Of two requests with the same key and body the second gets the first one's id.
-- Errors:     none that a request can cause, if every string is text that PostgreSQL can store (no \u0000).
-- Tables:     as http_publish().
-- All locks of idempotency keys are taken before the lock "append", so that a request that waits for its key delays no
-- other publisher; and in one order, so that two calls cannot deadlock.
CREATE OR REPLACE FUNCTION pgevents.http_publish_many(requests jsonb)
RETURNS TABLE (answer jsonb, state text, message text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  count       int := jsonb_array_length(requests);
  request     jsonb;
  publication record;
  channels    text[];
  types       text[];
  data        json[];
  expiries    timestamptz[];
  scopes      bytea[];
  digests     bytea[];
  failures    jsonb[];
  is_due      boolean[];  -- the request publishes an event
  same_as     int[];      -- an earlier request of this call with the same key
  ids         bigint[];
BEGIN
  FOR place IN 1 .. count LOOP
    request := requests -> place - 1;
    BEGIN
      publication := pgevents.publication(request -> 'identity', request ->> 'channel', request ->> 'body',
                                          request ->> 'idempotency_key');
      channels[place] := request ->> 'channel';
      types[place] := publication.type;
      data[place] := publication.inner_data;
      expiries[place] := publication.expires_at;
      scopes[place] := publication.scope;
      digests[place] := publication.digest;
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      failures[place] := jsonb_build_object('state', SQLSTATE, 'message', message, 'detail', detail);
    END;
  END LOOP;

  PERFORM pg_advisory_xact_lock(1885824375, k.key)  -- lock "idempotency key"
    FROM (SELECT DISTINCT hashtext(encode(s.scope, 'hex')) AS key FROM unnest(scopes) s (scope)
           WHERE s.scope IS NOT NULL ORDER BY 1) k;
  FOR place IN 1 .. count LOOP
    BEGIN
      IF scopes[place] IS NOT NULL THEN
        same_as[place] := nullif(array_position(scopes, scopes[place]), place);
        ids[place] := pgevents.publication_earlier(scopes[place], digests[place], digests[same_as[place]]);
      END IF;
      is_due[place] := failures[place] IS NULL AND ids[place] IS NULL AND same_as[place] IS NULL;
    EXCEPTION WHEN SQLSTATE 'PT422' THEN
      GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      failures[place] := jsonb_build_object('state', SQLSTATE, 'message', message, 'detail', detail);
    END;
  END LOOP;

  IF true = ANY (is_due) THEN
    PERFORM pgevents.append_lock();
    FOR place IN 1 .. count LOOP
      IF is_due[place] THEN
        ids[place] := nextval('pgevents.log_id_seq');
      END IF;
    END LOOP;
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      SELECT e.id, e.channel, clock_timestamp(), e.type, e.data, e.expires_at
        FROM unnest(ids, channels, types, data, expiries, is_due) e (id, channel, type, data, expires_at, is_due)
       WHERE e.is_due;
    INSERT INTO pgevents.idempotency_keys AS k (scope, body_digest, event_id)
      SELECT e.scope, e.digest, e.id FROM unnest(scopes, digests, ids, is_due) e (scope, digest, id, is_due)
       WHERE e.is_due AND e.scope IS NOT NULL
      ON CONFLICT (scope) DO UPDATE
        SET body_digest = excluded.body_digest, event_id = excluded.event_id, created_at = excluded.created_at;
    PERFORM pg_notify('pgevents', '');
  END IF;

  FOR place IN 1 .. count LOOP
    answer := CASE WHEN failures[place] IS NULL
      THEN jsonb_build_object('result', 'success', 'id', coalesce(ids[place], ids[same_as[place]])) END;
    state := failures[place] ->> 'state';
    message := failures[place] ->> 'message';
    detail := failures[place] ->> 'detail';
    RETURN NEXT;
  END LOOP;
END
$$;

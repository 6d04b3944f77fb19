-- pgevents.sequence(max_rows): gives ids to a batch of the events that transactions have left; for the front-ends, one
-- call in each transaction.
-- Parameters: max_rows: up to the turn with which it is this many events.
-- Returns:    events, turns: how many got their ids; is_more: whether there are more; is_settled: whether no event can
--             be without its id, so that there is nothing to do; is_busy: another session gives ids just now, or the
--             transaction is not READ COMMITTED: it did nothing, the next call may; is_sequenced: another session is
--             the sequencer.
-- Errors:     none of its own.
-- Tables:     ready (delete), log (insert), settings (read); generations (see check_generation()).
-- Costs next to nothing when everything is settled. A call that moves nothing asks whether everything is settled
-- (mark_settled()), and then need not wait for the disk.
-- A turn of more than 2,000 events gets its ids in parts, so that no publisher waits for long. They stay in order; an
-- event of a transaction that ran beside it may come between.
-- is_sequenced is asked first: publishers notify nobody while there is a sequencer. If it ended after is_settled was
-- asked, and before is_sequenced was, the caller would stop to look although events were left in between.
CREATE OR REPLACE FUNCTION pgevents.sequence(max_rows int DEFAULT 5000,
  OUT events int, OUT turns int, OUT is_more boolean, OUT is_settled boolean, OUT is_busy boolean,
  OUT is_sequenced boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nothing text;
BEGIN
  events := 0; turns := 0; is_more := false; is_busy := false;
  IF current_setting('pgevents.is_sequencer', true) = 'yes'
     AND (SELECT s.value FROM pgevents.settings s WHERE s.name = 'group_commit') IS DISTINCT FROM 'on' THEN
    PERFORM pgevents.sequencer_end();
  END IF;
  is_sequenced := pgevents.is_watched();
  is_settled := pgevents.is_settled();
  IF is_settled OR pg_is_in_recovery() OR pgevents.is_fed() OR current_setting('transaction_read_only') = 'on' THEN
    RETURN;
  END IF;
  is_busy := NOT starts_with(current_setting('transaction_isolation'), 'read')
    OR NOT pg_try_advisory_xact_lock(1885824374, 1);  -- lock "append"
  IF is_busy THEN
    RETURN;
  END IF;
  PERFORM pgevents.check_generation();
  SELECT d.events, d.turns, d.is_more INTO events, turns, is_more FROM pgevents.drain(greatest(max_rows, 1)) d;
  IF events = 0 THEN
    nothing := set_config('synchronous_commit', 'off', true);
    is_settled := pgevents.mark_settled();
  END IF;
END
$$;

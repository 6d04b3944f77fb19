-- pgevents.become_shard(number): gives this log a range of ids that no other shard has, so that a cursor of another
-- shard gets a reset here, whatever kind of client sends it.
-- Parameters: number: of the shard, 1 to 89; its ids begin at number * 10^14. A log that never called this is shard 0.
-- Returns:    the first id of the range. Calling it again does nothing.
-- Errors:     PT400; PT403, PT409 (copy_owner()); PT409 if the log's ids are in a later range already; PT503 on a copy,
--             which has the ids of its primary.
-- Tables:     generations (read, insert), log (insert), history, crash_mark (see check_generation()).
-- The range begins as a generation does, far behind the log's last id: no event has an id in the gap before it, so a
-- cursor there is of another log (page_start()). The cursors of this log up to its last id stay valid; in an empty log
-- that is 1, with which a client has received nothing anywhere. All ids are less than 2^53, so that JavaScript's
-- numbers hold them, and a range has room for 7,900 generations. No copy takes 10^14 ids for its lag (may_lag()).
CREATE OR REPLACE FUNCTION pgevents.become_shard(number int) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  width   CONSTANT bigint := pgevents.shard_width();
  first   CONSTANT bigint := number * width;
  head    bigint;
  last_id bigint;
BEGIN
  PERFORM pgevents.copy_owner();
  PERFORM pgevents.primary_only();
  IF number IS NULL OR number NOT BETWEEN 1 AND 89 THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'The number of a shard is 1 to 89');
  END IF;
  PERFORM pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  PERFORM pgevents.check_generation();
  head := pgevents.head();
  last_id := greatest(head, (SELECT s.last_value FROM pgevents.log_id_seq s));
  IF last_id / width = number THEN
    RETURN first;
  ELSIF last_id > first THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT',
      format('This log is shard %s already, and ids never go back', last_id / width));
  END IF;
  PERFORM pgevents.begin_generation(first, head, pgevents.generation_place());
  RETURN first;
END
$$;

-- pgevents.generation_start(last): draws the first id of a generation that begins behind the id `last`.
-- Parameters: last: the last id that was given here.
-- Returns:    last + least_step(), and further by a random number that is less than a thousandth of the ids that are
--             left in the range of a shard (shard_width()).
-- Errors:     none.
-- Tables:     none.
-- Two databases that continue the same log (an old primary that goes on while its standby is promoted) would give the
-- same ids to different events if both moved on by the same step. A share of what is left keeps 7,900 generations in
-- the range: each takes a two-thousandth of that on average. gen_random_uuid() reads the operating system's randomness,
-- so that clones of a server draw different numbers; the first twelve hexadecimal digits of its result are all random.
CREATE OR REPLACE FUNCTION pgevents.generation_start(last bigint) RETURNS bigint
LANGUAGE sql AS $$
  SELECT last + pgevents.least_step()
    + ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint
      % greatest(1, (pgevents.shard_width() - last % pgevents.shard_width()) / 1000)
$$;

-- pgevents.generation_start(last): draws the first id of a generation that begins behind the id `last`.
-- Parameters: last: the last id that was given here.
-- Returns:    last + least_step(), and further by a random number that is less than a ten-thousandth of the ids from
--             `last` up to 2^53, beyond which JavaScript has no exact integers.
-- Errors:     none.
-- Tables:     none.
-- Two databases that continue the same log (an old primary that goes on while its standby is promoted) would give the
-- same ids to different events if both moved on by the same step. Its share of what is left lets 120,000 generations
-- fit: each takes a twenty-thousandth of that on average. gen_random_uuid() reads the operating system's randomness, so
-- that clones of a server draw different numbers; the first twelve hexadecimal digits of its result are all random.
CREATE OR REPLACE FUNCTION pgevents.generation_start(last bigint) RETURNS bigint
LANGUAGE sql AS $$
  SELECT last + pgevents.least_step()
    + ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint
      % greatest(1, (9007199254740992 - last) / 10000)
$$;

// The compared servers, by their names in tables and in --peers, in the order of the tables' columns. `flavors`: what a
// scenario may ask of them unless it names its peers; `needs`: files that must exist, by Debian package.
import { bareLoop } from './bare_loop.mjs';
import { nchan } from './nchan.mjs';
import { nchanRedis } from './nchan_redis.mjs';
import { node } from './node.mjs';
import { pgevents, pgeventsWith } from './pgevents.mjs';
import { pushpin } from './pushpin.mjs';

export const kPeers = {
  'bare loop': bareLoop,
  nchan,
  'nchan + Redis': nchanRedis,
  Pushpin: pushpin,
  Node: node,
  pgevents,
  'pgevents HS256': pgeventsWith('HS256'),
  'pgevents RS256': pgeventsWith('RS256'),
};

// Checks the data that the library acts on. A publisher can write anything into an event: the library ignores malformed
// data with a warning and never throws.

/** @typedef {(value: any) => boolean} Check */

/** @type {Check} */
const isText = (value) => typeof value === 'string';
const isNumber = Number.isFinite;
/** @param {Check} check @returns {Check} */
const listOf = (check) => (value) => Array.isArray(value) && value.every(check);
/** @param {Record<string, Check>} members @returns {Check} */
const objectOf = (members) => (value) =>
  value instanceof Object && Object.entries(members).every(([name, check]) => check(value[name]));
/** An object by user. @param {Check} check @returns {Check} */
const mapOf = (check) => (value) =>
  value instanceof Object && !Array.isArray(value) && Object.values(value).every(check);
/** @param {Check} check @returns {Check} */
const optional = (check) => (value) => value === undefined || check(value);

const isUser = objectOf({ user_id: isText });
/** @param {any[]} values @returns {Check} */
const oneOf = (...values) => (value) => values.includes(value);
const typing = { op: oneOf('start', 'stop'), sender: isUser };

/** The valid forms of payloads (types.js) in events and answers. */
export const kForms = {
  presence: objectOf({
    presences: mapOf(objectOf({ active_timestamp: isNumber, idle_timestamp: isNumber })),
    server_timestamp: isNumber,
    presence_last_update_id: optional(isNumber),
  }),
  connection: objectOf({ users: listOf(isText) }), // besides those of presence
  direct: objectOf({ ...typing, message_type: oneOf('direct'), recipients: listOf(isUser) }),
  stream: objectOf({ ...typing, message_type: oneOf('stream'), stream_id: isText, topic: isText }),
  settings: mapOf((value) => typeof value === 'boolean'),
};

/**
 * Makes a function that warns of ignored events: once for each kind, because a publisher may send any number of them.
 * @param {import('./environment.js').Environment} world
 */
export function warningsIn(world) {
  const warned = new Set();
  /** @param {string} what */
  return (what) => {
    if (!warned.has(what)) world.console?.warn(`pgevents: ignored ${what}`);
    warned.add(what);
  };
}

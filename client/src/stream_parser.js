// Parses an event stream by the HTML standard ("Server-sent events", "Interpreting an event stream"), whatever chunks
// it arrives in. Each response needs a parser of its own.

/**
 * The lines before a blank line. A block without data is not an event, but may have changed the id.
 * @typedef {object} Block
 * @property {string} type
 * @property {string} [data]
 * @property {string} id  the last id in the stream so far
 */

export class StreamParser {
  /** @type {number | undefined} the last reconnection time from the server, in milliseconds */
  retry;
  #decoder = new TextDecoder(); // removes a byte order mark
  #line = '';
  #after_cr = false;
  #type = '';
  /** @type {string | undefined} */
  #data;
  #id = '';

  /**
   * @param {Uint8Array} bytes
   * @returns {Block[]} the blocks that these bytes complete
   */
  push(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    // Skip the LF of a CRLF whose CR has already ended the line.
    const lines = (this.#after_cr ? text.replace(/^\n/, '') : text).split(/\r\n|\n|\r/);
    if (text) this.#after_cr = text.endsWith('\r');
    lines[0] = this.#line + lines[0];
    this.#line = /** @type {string} */ (lines.pop());
    return lines.flatMap((line) => this.#take(line));
  }

  /** @param {string} line @returns {Block[]} */
  #take(line) {
    const [, field, value] = /** @type {RegExpExecArray} */ (/^([^:]*):? ?(.*)$/s.exec(line));
    if (field === 'data') this.#data = this.#data?.concat('\n', value) ?? value;
    if (field === 'event') this.#type = value;
    if (field === 'id' && !value.includes('\0')) this.#id = value;
    if (field === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value);
    if (line) return [];
    const block = { type: this.#type || 'message', data: this.#data, id: this.#id };
    this.#type = '';
    this.#data = undefined;
    return [block];
  }
}

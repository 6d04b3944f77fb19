// Reads an event stream as the HTML standard says ("Server-sent events", "Interpreting an event stream"), however the
// bytes are cut. One object for each response.

/**
 * What stood before a blank line. Without data it is no event, but may have moved the id.
 * @typedef {object} Block
 * @property {string} type
 * @property {string} [data]
 * @property {string} id  the last one in the stream so far
 */

export class StreamParser {
  /** @type {number | undefined} the reconnection time that the server told last, in milliseconds */
  retry;
  #decoder = new TextDecoder(); // takes away a byte order mark
  #line = '';
  #after_cr = false;
  #type = '';
  /** @type {string | undefined} */
  #data;
  #id = '';

  /**
   * @param {Uint8Array} bytes
   * @returns {Block[]} the blocks that are complete now
   */
  push(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    // The LF of a CRLF whose CR has ended the line already.
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

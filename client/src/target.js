// An EventTarget that reports which types its listeners want, with the handler `onevent` for every type.

export class Target extends EventTarget {
  /** @type {((event: any) => void) | null | undefined} */
  #every;

  /** Called when a listener is attached. @param {string} [_type]  without one: every type */
  listened(_type) {}

  /** @param {string} type @param {any} listener @param {any} [options] */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
    this.listened(type);
  }

  /** Called with every event, of any type. */
  get onevent() {
    return this.#every;
  }

  set onevent(handler) {
    this.#every = handler;
    if (handler) this.listened();
  }

  /**
   * Dispatches an event with these fields. Adds the handler as a listener for this event only: the browser then calls
   * it, and reports exceptions.
   * @param {string} type
   * @param {object} fields
   * @param {((event: any) => void) | null} [handler]
   */
  emit(type, fields, handler) {
    if (handler) super.addEventListener(type, handler, { once: true });
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

// The errors that the library throws or reports. `cause` is the underlying error.

/** The base class, and all other failures: an answer that violates the protocol, an exception in the page's code. */
export class PgeventsError extends Error {
  name = 'PgeventsError';
  /** @type {number | undefined} HTTP status, if the server answered with an error */
  status;
  /** @type {string | undefined} the server's error code, such as BAD_REQUEST */
  code;
  /** @type {number | undefined} milliseconds to wait before the next request */
  retryAfter;

  /** @param {string} message @param {object} [fields] */
  constructor(message, fields) {
    super(message);
    Object.assign(this, fields);
  }
}

/** No answer arrived, or it broke off. */
export class NetworkError extends PgeventsError {
  name = 'NetworkError';
}

/** The server was silent for longer than its heartbeats allow. */
export class SilenceError extends PgeventsError {
  name = 'SilenceError';
}

/** The server answered with an error. */
export class HttpError extends PgeventsError {
  name = 'HttpError';
}

/** The token is missing, expired, revoked or invalid (status 401), or does not grant this request (403). */
export class AuthError extends HttpError {
  name = 'AuthError';
}

/**
 * Turns a rejection of fetch() into a NetworkError.
 * @param {any} cause
 * @returns {never}
 */
export function noAnswer(cause) {
  throw new NetworkError('No answer', { cause });
}

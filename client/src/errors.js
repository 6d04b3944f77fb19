// Everything that the library throws or reports, as classes. `cause` is what lay below.

/** The base of the others, and what failed otherwise: an answer that is not the protocol, a function of the page. */
export class PgeventsError extends Error {
  name = 'PgeventsError';
  /** @type {number | undefined} of HTTP, if the server answered with an error */
  status;
  /** @type {string | undefined} the server's, such as BAD_REQUEST */
  code;
  /** @type {number | undefined} milliseconds for which the server wants to be left alone */
  retryAfter;

  /** @param {string} message @param {object} [fields] */
  constructor(message, fields) {
    super(message);
    Object.assign(this, fields);
  }
}

/** There was no answer, or it broke off. */
export class NetworkError extends PgeventsError {
  name = 'NetworkError';
}

/** Nothing was heard for longer than the server's heartbeats allow. */
export class SilenceError extends PgeventsError {
  name = 'SilenceError';
}

/** The server answered with an error. */
export class HttpError extends PgeventsError {
  name = 'HttpError';
}

/** The token is missing, over or bad (status 401), or does not grant this (403). */
export class AuthError extends HttpError {
  name = 'AuthError';
}

/**
 * For a promise of fetch() that is rejected.
 * @param {any} cause
 * @returns {never}
 */
export function noAnswer(cause) {
  throw new NetworkError('No answer', { cause });
}

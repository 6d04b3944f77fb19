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

/** The server was silent for longer than its heartbeats allow, or a transport could not be opened. */
export class SilenceError extends PgeventsError {
  name = 'SilenceError';
}

/** The base address is wrong: it is not valid here, or pgevents does not answer there. */
export class AddressError extends PgeventsError {
  name = 'AddressError';
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

/**
 * The error of an answer other than success.
 * @param {number} status
 * @param {any} body
 * @param {object} [fields]
 * @returns {HttpError | AddressError}
 */
export function errorOf(status, body, fields) {
  const { code, msg = `HTTP status ${status}` } = body ?? {};
  const ErrorClass = status === 401 || status === 403 ? AuthError : status === 404 && !code ? AddressError : HttpError;
  const hint = msg === 'No such user' ? '; add the user to pgevents.users'
    : ErrorClass === AddressError ? '; check the base address' : '';
  return new ErrorClass(msg + hint, { status, code, ...fields });
}

// The calls of SQL functions over HTTP: method and path of each.
export const kCalls = [
  ['POST', '/register'],
  ['POST', '/users/me/presence'],
  ['GET', '/users/me/presence'],
  ['GET', '/users/11/presence'],
  ['GET', '/realm/presence'],
  ['POST', '/typing'],
  ['PATCH', '/settings'],
];

// The server's clock: cursors by time and delays use it, because the browser's clock may be wrong.
let ahead = 0; // milliseconds by which the server's clock is ahead of the browser's

// Measures the difference. Half of the time of the request passes before the server reads its clock.
export async function readClock() {
  const asked_at = Date.now();
  try {
    const response = await fetch('demo/clock', { cache: 'no-store' });
    const server = Number(await response.text()) * 1000;
    if (response.ok) ahead = server - (asked_at + Date.now()) / 2;
  } catch {
    // The server does not answer: the page shows this elsewhere, and the browser's clock has to do.
  }
}

// Milliseconds since 1970.
export const serverNow = () => Date.now() + ahead;

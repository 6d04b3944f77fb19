// Follows the page: a channel pauses while the page is hidden, and reconnects when the browser is online again.
import { timerOf } from './environment.js';

/** @param {import('./base_channel.js').BaseChannel} channel */
function watch(channel) {
  const { world, options: { pauseHidden }, closing: { signal } } = channel;
  const { document, window } = world;
  let is_paused = false;
  const setTimer = timerOf(world, () => {
    is_paused = true;
    channel.pause();
    channel.show('connecting');
  });
  window?.addEventListener?.('online', () => channel.restart(), { signal });
  window?.addEventListener?.('offline', () => channel.show('offline'), { signal });
  document?.addEventListener('visibilitychange', () => {
    setTimer(document.hidden ? pauseHidden : undefined);
    if (document.hidden || !is_paused) return;
    is_paused = false;
    channel.resume();
  }, { signal });
}

export const page = { watch };

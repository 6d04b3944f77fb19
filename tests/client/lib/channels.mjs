// EventChannels that record the events that they delivered.
import assert from 'node:assert/strict';
import { EventChannel } from '../../../client/src/index.js';
import { Browser } from './page.mjs';

export class Recorder {
  events = [];
  opened = 0;
  errors = [];

  constructor(page, channels, options = {}) {
    this.channel = new EventChannel('/rt', channels, { environment: page.environment, ...options });
    this.channel.onevent = (event) => this.events.push(event);
    this.channel.onopen = () => this.opened++;
    this.channel.onerror = ({ error }) => this.errors.push(error);
  }

  get ids() {
    return this.events.filter(({ type }) => type !== 'pgevents.reset').map(({ lastEventId }) => Number(lastEventId));
  }
}

// Opens a page with a connected channel on "a".
export async function connected(options = {}) {
  const browser = new Browser();
  const page = browser.page();
  const recorder = new Recorder(page, ['a'], { lastEventId: '0', ...options });
  await browser.clock.advance(0);
  return { browser, page, recorder, clock: browser.clock, network: browser.network, channel: recorder.channel };
}

// Asserts that exactly these events of the log were delivered, in order.
export function assertDelivered(recorder, network, { channels = ['a'], after = 0 } = {}) {
  const wanted = network.log.filter(({ id, channel_id }) => id > after && channels.includes(channel_id)).map(({ id }) => id);
  assert.deepEqual(recorder.ids, wanted);
}

// Sessions of register() on a model of the server, on a test's clock.
import { register } from '../../../client/src/index.js';
import { Browser } from './page.mjs';

const kTimings = {
  server_typing_started_expiry_period_milliseconds: 45_000,
  server_typing_started_wait_period_milliseconds: 30_000,
  server_typing_stopped_wait_period_milliseconds: 12_000,
  server_presence_ping_interval_seconds: 60,
  server_presence_offline_threshold_seconds: 200,
};
export const kSettings = {
  presence_enabled: true, send_private_typing_notifications: true, send_stream_typing_notifications: true,
  receives_typing_notifications: true,
};

// A server with users; `state` is its data about them, and may be changed. `more` is added to the answer to register;
// undefined members are omitted.
export function server(more = {}) {
  const browser = new Browser();
  const { clock, network } = browser;
  const seconds = () => Math.floor(clock.now() / 1000);
  const state = { presences: { 8: { active_timestamp: seconds(), idle_timestamp: seconds() } }, presence_connected: ['8'] };
  const calls = [];
  const success = { result: 'success', msg: '' };
  const presence = () => ({ server_timestamp: clock.now() / 1000, presence_last_update_id: 5, presences: state.presences });
  Object.assign(network.calls, {
    '/rt/register': (params) => {
      calls.push(['register', params]);
      return {
        ...success, last_event_id: String(network.head), channels: ['user:10', 'presence:main'], user_channel: 'user:10',
        presence_channel: 'presence:main', stream_channel: 'stream:{stream_id}', ...presence(),
        presence_connected: state.presence_connected, user_settings: { ...kSettings, ...state.settings }, ...kTimings, ...more,
      };
    },
    '/rt/users/me/presence': (params) => (calls.push(['presence', params]), { ...success, ...(!params.ping_only && presence()) }),
    '/rt/typing': (params) => (calls.push(['typing', params]), success),
    '/rt/settings': (params) => (calls.push(['settings', params]), success),
  });
  const page = browser.page();
  return {
    browser, clock, network, state, calls, page, seconds,
    // Starts a session, and its delivery.
    start: async (options) => {
      const session = await register('/rt', { environment: page.environment, user: '10', ...options });
      session.start();
      return session;
    },
  };
}

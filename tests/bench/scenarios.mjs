// The measurements: the load of each scenario (options of the load generator), its figures with a row, its figures with
// a plot, and the servers that take part, if not all that support its flavor.

const perMillion = (name) => (r) => r.watched[name] && (r.watched[name].cpu_s * 1e6) / r.deliveries;
const perConnection = (field) => (r) => (r.watched.server[field] - r.watched.server.pss_before_kb) / r.subscribers;
const ms = (histogram, share) => (r) => (r[histogram].count > 0 ? r[histogram][share] / 1000 : undefined);

const kBoth = ['nchan', 'bare loop'];

// `of` takes a figure from the load generator's result, undefined if there is none. `ratio`: the peers for comparison;
// less is better.
const kLateP50 = { title: 'delay p50 ms, last second', of: ms('late_delay_us', 'p50'), digits: 2 };
const events = (r) => (r.deliveries * r.channels) / r.subscribers;
const perEvent = (name) => (r) => r.watched[name] && (r.watched[name].cpu_s * 1e6) / events(r);
const eventsPerSecond = (r) => (r.delivered_per_s * r.channels) / r.subscribers;
export const kEvents = { title: 'events/s', of: eventsPerSecond, digits: 0, ratio: kBoth };
export const kCpuEvent = { title: 'server CPU µs/event', of: perEvent('server'), digits: 1, ratio: kBoth };
export const kPgCpuEvent = { title: 'PostgreSQL CPU µs/event', of: perEvent('postgresql'), digits: 1 };
const kRedisCpuEvent = { title: 'Redis CPU µs/event', of: perEvent('redis'), digits: 1 };
export const kDelivered = { title: 'delivered/s', of: (r) => r.delivered_per_s, digits: 0 };
export const kP50 = { title: 'delay p50 ms', of: ms('delay_us', 'p50'), digits: 2, ratio: kBoth };
export const kP99 = { title: 'delay p99 ms', of: ms('delay_us', 'p99'), digits: 2 };
const kTsP50 = { title: 'from ts p50 ms', of: ms('commit_delay_us', 'p50'), digits: 2 };
const kTsP99 = { title: 'from ts p99 ms', of: ms('commit_delay_us', 'p99'), digits: 2 };
const kConfirmedP50 = { title: 'after confirmation p50 ms', of: ms('confirmed_delay_us', 'p50'), digits: 2 };
const kConfirmedP99 = { title: 'after confirmation p99 ms', of: ms('confirmed_delay_us', 'p99'), digits: 2 };
const kPublish = { title: 'publish, mean ms', of: (r) => r.publish_us / 1000, digits: 2 };
export const kCpu = { title: 'server CPU s/million', of: perMillion('server'), digits: 2, ratio: kBoth };
const kAnswers = { title: 'events per answer', of: (r) => r.deliveries / r.responses, digits: 2 };
const cpuPerAnswer = (r) => (r.watched.server.cpu_s * 1e6) / r.responses;
const kCpuAnswer = { title: 'server CPU s/million answers', of: cpuPerAnswer, digits: 2, ratio: kBoth };
export const kPgCpu = { title: 'PostgreSQL CPU s/million', of: perMillion('postgresql'), digits: 2 };
const kRedisCpu = { title: 'Redis CPU s/million', of: perMillion('redis'), digits: 2 };
export const kIdle = { title: 'KB/idle connection', of: perConnection('pss_opened_kb'), digits: 2, ratio: ['nchan'] };
const kAfter = { title: 'KB after the run', of: perConnection('pss_end_kb'), digits: 2 };
const kOpen = { title: 'seconds to open all', of: (r) => r.open_s, digits: 2, ratio: ['pgevents'] };
const openCpu = (r) => (r.watched.server.open_cpu_s * 1e6) / r.subscribers;
const kOpenCpu = { title: 'server CPU µs/connection', of: openCpu, digits: 1 };
export const kOwn = { title: 'load generator CPU', of: (r) => r.own_cpu_share * 100, digits: 0, unit: '%' };

// The figure also appears in its scenario's plot.
const plotted = (figure) => ({ ...figure, plot: true });

export const kScenarios = [
  {
    name: 'fan-out',
    quick: true,
    title: '10,000 event-stream subscribers, 1 channel, 10 events/s of 200 bytes',
    load: { flavor: 'sse', subscribers: 10000, rate: 10 },
    seconds: { quick: 3, full: 5 },
    figures: [kDelivered, plotted(kP50), kP99, plotted(kCpu), kPgCpu, kRedisCpu, plotted(kIdle), kAfter, kOwn],
  },
  {
    name: 'offered',
    title: '10,000 event-stream subscribers, 1 channel, 50 events/s of 200 bytes: more than most can carry',
    load: { flavor: 'sse', subscribers: 10000, rate: 50 },
    seconds: { quick: 3, full: 5 },
    figures: [plotted(kDelivered), kP50, kP99, plotted(kLateP50), kCpu, kPgCpu, kRedisCpu, kOwn],
  },
  {
    name: 'fastest',
    quick: true,
    title: '1,000 event-stream subscribers, 1 channel, as fast as it goes (64 events under way)',
    load: { flavor: 'sse', subscribers: 1000, ahead: 64, batch: 64 },
    seconds: { quick: 3, full: 5 },
    figures: [plotted({ ...kDelivered, ratio: kBoth }), kP50, kP99, plotted(kCpu), kPgCpu, kRedisCpu, kOwn],
  },
  {
    name: 'channels',
    quick: true,
    title: '10,000 channels with 1 event-stream subscriber each, 1,000 events/s',
    load: { flavor: 'sse', subscribers: 10000, channels: 10000, rate: 1000, publishers: 4, batch: 100 },
    seconds: { quick: 3, full: 5 },
    figures: [kEvents, plotted(kP50), kP99, kConfirmedP50, plotted(kCpuEvent), kPgCpuEvent, kRedisCpuEvent, kOwn],
  },
  {
    name: 'channels-fastest',
    title: '10,000 channels with 1 event-stream subscriber each, as fast as it goes (1,000 events under way)',
    load: { flavor: 'sse', subscribers: 10000, channels: 10000, ahead: 1000, publishers: 4, batch: 500 },
    seconds: { quick: 3, full: 5 },
    figures: [plotted(kEvents), kP50, kP99, plotted(kCpuEvent), kPgCpuEvent, kRedisCpuEvent, kOwn],
  },
  {
    name: 'log',
    title: '10,000 channels with 1 event-stream subscriber each: 200,000 events in one transaction, from the first delivery to the last',
    load: { flavor: 'sse', subscribers: 10000, channels: 10000, burst: 200000, publishers: 1, batch: 200000 },
    peers: ['pgevents'],
    seconds: { quick: 60, full: 60 },
    figures: [kEvents, kCpuEvent, kPgCpuEvent],
  },
  {
    name: 'long-poll-fastest',
    quick: true,
    title: '1,000 long-poll clients, 1 channel, as fast as it goes (64 events under way)',
    load: { flavor: 'long-poll', subscribers: 1000, ahead: 64, batch: 64 },
    seconds: { quick: 3, full: 5 },
    figures: [plotted({ ...kDelivered, ratio: ['nchan'] }), kP50, kP99, plotted(kCpu), kAnswers, kCpuAnswer, kPgCpu,
      kRedisCpu, kOwn],
  },
  {
    name: 'idle',
    title: '10,000 event-stream subscribers waiting, nginx with its own default buffers',
    load: { flavor: 'sse', subscribers: 10000, rate: 1, warmup: 0 },
    start: { buffers: 'default' },
    seconds: { quick: 1, full: 2 },
    figures: [plotted(kIdle), kAfter],
  },
  {
    name: 'websocket',
    title: '10,000 WebSocket subscribers, 1 channel, 10 events/s of 200 bytes',
    load: { flavor: 'websocket', subscribers: 10000, rate: 10 },
    seconds: { quick: 3, full: 5 },
    figures: [kDelivered, plotted(kP50), kP99, plotted(kCpu), kPgCpu, plotted(kIdle), kAfter, kOwn],
  },
  {
    name: 'websocket-fastest',
    title: '1,000 WebSocket subscribers, 1 channel, as fast as it goes (64 events under way)',
    load: { flavor: 'websocket', subscribers: 1000, ahead: 64, batch: 64 },
    seconds: { quick: 3, full: 5 },
    figures: [plotted({ ...kDelivered, ratio: ['nchan'] }), kP50, kP99, plotted(kCpu), kPgCpu, kOwn],
  },
  {
    name: 'websocket-idle',
    title: '10,000 WebSocket subscribers waiting, nginx with its own default buffers',
    load: { flavor: 'websocket', subscribers: 10000, rate: 1, warmup: 0 },
    start: { buffers: 'default' },
    seconds: { quick: 1, full: 2 },
    figures: [plotted(kIdle), kAfter],
  },
  {
    name: 'single',
    quick: true,
    title: '1 event-stream subscriber, 100 events/s (pgevents: envelope=1, to know the time of commit)',
    load: { flavor: 'sse', subscribers: 1, rate: 100 },
    start: { envelope: true },
    seconds: { quick: 2, full: 5 },
    figures: [kPublish, plotted(kP50), kP99, kTsP50, kTsP99, kConfirmedP50, kConfirmedP99, kOwn],
  },
  {
    name: 'long-poll',
    title: '1,000 long-poll clients, 1 channel, 50 events/s',
    load: { flavor: 'long-poll', subscribers: 1000, rate: 50 },
    seconds: { quick: 2, full: 5 },
    figures: [kDelivered, plotted(kP50), kP99, plotted(kCpu), kAnswers, kCpuAnswer, kPgCpu, kRedisCpu, kOwn],
  },
  {
    name: 'connect',
    title: '10,000 event streams opened, each with a token of its own',
    load: { flavor: 'sse', subscribers: 10000, rate: 1, warmup: 0 },
    peers: ['pgevents', 'pgevents HS256', 'pgevents RS256'],
    start: { buffers: 'default' }, // a token needs larger buffers
    seconds: { quick: 1, full: 1 },
    figures: [kOpen, kOpenCpu, kIdle],
  },
  {
    name: 'token-poll',
    title: '1,000 long-poll clients, 1 channel, 50 events/s, each with a token of its own: verified once, not for each poll',
    load: { flavor: 'long-poll', subscribers: 1000, rate: 50 },
    peers: ['pgevents', 'pgevents RS256'],
    start: { buffers: 'default' },
    seconds: { quick: 2, full: 5 },
    figures: [kDelivered, kP50, kP99, kAnswers, { ...kCpuAnswer, ratio: ['pgevents'] }],
  },
];

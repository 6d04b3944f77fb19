// The style and the script of the status page. Both stand in the page itself, and its Content-Security-Policy allows
// exactly these texts by their SHA-256, so that the page cannot run or use any other. After a change of one of them,
// tests/unit/status_page_test.cpp prints the new hash.
#pragma once

namespace pgevents {

inline constexpr char kPagePolicy[] =
    "default-src 'none'; "
    "style-src 'sha256-skdrHLNLLEPQlpT9Ps9tx440lsyp5CBdXrThODbuijg='; "
    "script-src 'sha256-g8db5OPFr8VuyKuIpl3rCrHpDe65bpxuOLREPlDK0lg='; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

inline constexpr char kPageStyle[] = R"css(
:root {
  color-scheme: light dark;
  --page: #f3f5f7; --card: #fff; --line: #d5dae0; --text: #15191d; --faint: #545e69;
  --ok: #14652f; --ok-back: #e3f4e8; --warn: #6d4600; --warn-back: #fff1cf; --bad: #9c111c; --bad-back: #fde5e5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1215; --card: #191e23; --line: #323a43; --text: #e7eaed; --faint: #a3adb8;
    --ok: #86dba1; --ok-back: #13301e; --warn: #f3c96f; --warn-back: #362a0e; --bad: #ffa29c; --bad-back: #41171a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 84rem; padding: .7rem 1rem; background: var(--page); color: var(--text);
  font: 15px/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem; color: var(--faint); }
header p { margin: 0; }
h1 { margin: 0; font-size: 1.15rem; color: var(--text); }
h2 { display: flex; flex-wrap: wrap; align-items: center; gap: .2rem .7rem; margin: .6rem 0; font-size: 1.35rem; }
.verdict, .trouble { padding: .1rem .7rem; border-radius: 1rem; font-size: 1rem; font-weight: 600; }
.ok { background: var(--ok-back); color: var(--ok); }
.warn { background: var(--warn-back); color: var(--warn); }
.bad { background: var(--bad-back); color: var(--bad); }
.finding { margin: 0 0 .5rem; padding: .5rem .8rem; border-left: .3rem solid; border-radius: .3rem; }
.finding span { display: block; color: var(--text); }
.finding code { color: var(--text); font-size: .85em; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(9.7rem, 100%), 1fr)); gap: .6rem; margin: 0; }
.tiles > div, .tables div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.tiles > div { padding: .45rem .8rem; }
dt, caption { color: var(--faint); font-size: .85rem; font-weight: 600; text-align: left; }
dd { margin: 0; font-size: 1.1rem; font-weight: 600; }
dd.bad { background: none; }
dd span { display: block; }
dd div { display: block; color: var(--faint); font-size: .85rem; font-weight: 400; }
meter { width: 100%; height: .5rem; }
.tables { columns: 18.5rem; column-gap: .6rem; margin-top: .6rem; }
.tables div { margin-bottom: .6rem; padding: .4rem .8rem; break-inside: avoid; }
table { width: 100%; border-spacing: 0; font-size: .88rem; }
th { text-align: left; font-weight: 400; }
th.part { padding-left: .9rem; color: var(--faint); }
td { padding-left: .6rem; text-align: right; white-space: nowrap; }
td + td { min-width: 4.7em; font-weight: 600; }
thead th { padding-left: .6rem; color: var(--faint); font-size: .8rem; text-align: right; white-space: nowrap; }
main > p { margin: .2rem 0; color: var(--faint); font-size: .9rem; }
)css";

// It asks the server for this page again, instead of subscribing to a stream of pgevents: a stream is silent in exactly
// the incidents in which an operator looks at this page, and would need a listener, a worker and the rights to it.
inline constexpr char kPageScript[] = R"js(
'use strict';
const kPause = 2000, kPauseAfterTrouble = 3000, kPatience = 5000; // milliseconds
const kWindow = 60000; // of which the page shows rates and increases
const state = document.getElementById('state');
let samples = []; // [{ time, counters }], the oldest first
let answered = Date.now(), trouble = '';

const main = () => document.querySelector('main');
const short = (n) => n.toLocaleString('en', { maximumFractionDigits: n < 10 ? 1 : 0 });

function bytes(n) {
  const names = ['B', 'KB', 'MB', 'GB', 'TB'];
  let i = 0;
  for (; n >= 1024 && i < names.length - 1; i++) n /= 1024;
  return `${short(n)} ${names[i]}`;
}

// What stands in the page now. Counters begin anew with nginx: then so do the samples.
function takeSample() {
  const time = Number(main().dataset.time);
  const counters = {};
  for (const { dataset } of main().querySelectorAll('[data-key]')) counters[dataset.key] = dataset.n.split(',').map(Number);
  const last = samples.at(-1)?.counters ?? {};
  if (Object.keys(last).some((key) => !counters[key] || counters[key].some((n, i) => n < last[key][i]))) samples = [];
  samples = samples.filter((sample) => sample.time < time && sample.time >= time - kWindow);
  samples.push({ time, counters });
}

// How much each number behind a key has grown since a sample. A series that was not shown then had counted nothing.
function growth(key, since) {
  const now = samples.at(-1).counters[key];
  return now.map((n, i) => n - (since.counters[key]?.[i] ?? 0));
}

const show = {
  rate: (key, since, seconds) => `${short(growth(key, since)[0] / seconds)}/s`,
  bytes: (key, since, seconds) => `${bytes(growth(key, since)[0] / seconds)}/s`,
  more: (key, since) => (growth(key, since)[0] > 0 ? `▲ +${short(growth(key, since)[0])}` : ''),
  lag(key, since, seconds, node) {
    const counts = growth(key, since);
    const all = counts.reduce((sum, n) => sum + n, 0);
    let sum = 0;
    const bucket = counts.findIndex((n) => (sum += n) * 100 >= all * 99);
    return all > 0 ? `99 % within ${node.dataset.bounds.split('|')[bucket]} now` : 'no event in the last minute';
  },
};

// How fast a counter grew between the samples, as a small chart of characters.
function chart(key) {
  const rates = samples.slice(1).map((sample, i) => {
    const before = samples[i];
    return (sample.counters[key][0] - before.counters[key][0]) / (sample.time - before.time);
  });
  const most = Math.max(...rates) || 1;
  return rates.map((rate) => '▁▂▃▄▅▆▇█'[Math.round((rate / most) * 7)]).join('');
}

// Fills in what a single page cannot know. Rates are those of the last ten seconds, the rest of the last minute.
function showChanges() {
  takeSample();
  const { time } = samples.at(-1);
  if (samples.length < 2) return;
  const recent = samples.find((sample) => sample.time >= time - 10000);
  for (const node of main().querySelectorAll('[data-as]')) {
    const as = node.dataset.as;
    const since = as === 'rate' || as === 'bytes' ? (recent.time < time ? recent : samples.at(-2)) : samples[0];
    node.nextElementSibling.textContent = show[as](node.dataset.key, since, (time - since.time) / 1000, node);
  }
  for (const node of main().querySelectorAll('[data-chart]')) node.textContent = chart(node.dataset.chart);
}

function showState() {
  const seconds = Math.round((Date.now() - answered) / 1000);
  state.className = trouble ? 'trouble bad' : '';
  state.textContent = trouble ? `✖ Last answer ${seconds} s ago: ${trouble}. Trying again.` : 'Updates every 2 s';
  if (trouble) document.title = '✖ no answer · pgevents';
}

async function ask() {
  const signal = AbortSignal.timeout(kPatience);
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, cache: 'no-store', signal });
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const next = page.querySelector('main[data-time]');
  if (!next) throw new Error('the answer is not this page');
  return [page.title, next];
}

const kTroubles = { TimeoutError: `no answer within ${kPatience / 1000} s`, TypeError: 'the server cannot be reached' };

// The page stays as it is while a part of it is selected, so that it can be copied.
async function update() {
  try {
    const [title, next] = await ask();
    answered = Date.now();
    trouble = '';
    document.title = title;
    if (getSelection().isCollapsed) {
      main().replaceWith(next);
      showChanges();
    }
  } catch (error) {
    trouble = kTroubles[error.name] ?? error.message;
  }
  showState();
  setTimeout(update, trouble ? kPauseAfterTrouble : kPause);
}

showChanges();
showState();
setInterval(showState, 1000);
setTimeout(update, kPause);
)js";

}  // namespace pgevents

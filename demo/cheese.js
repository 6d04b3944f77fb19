// The cheese page: four panels that receive deliveries of cheese, a form that publishes them, the module's switch.
import { readClock, serverNow } from './clock.js';
import { EventStream, Polling } from './transports.js';
import { Socket } from './web_socket.js';

const kChannel = 'cheese';
const kTypes = ['cheese_created', 'pgevents.reset'];
const kCheeses = ['Gruyère', 'Emmentaler', 'Appenzeller', 'Tête de Moine', 'Sbrinz', 'Vacherin', 'Raclette', 'Etivaz'];
const kItemsShown = 100;
const kRecentSeconds = 600;
const kFewest = 5;  // pieces of any cheese
const kMost = 119;
const kPieces = '92';  // of a certain one, at first

await readClock();
const opened_at = serverNow();
// A cursor can be a time: after a reload the page shows the last ten minutes again.
const first_cursor = `rt-${Math.floor(opened_at / 1000) - kRecentSeconds}`;
const element = (id) => document.getElementById(id);
const number = new Intl.NumberFormat('en-CH');

function duration(milliseconds) {
  const rounded = Math.max(0, Math.round(milliseconds));
  return rounded < 1000 ? `${rounded} ms` : `${(rounded / 1000).toFixed(1)} s`;
}

// Any client may publish any data on this channel.
const isDelivery = ({ type, data }) =>
  type === 'cheese_created' && Number.isFinite(data?.pieces) && typeof data.cheese_type === 'string';

// One transport and the deliveries that it has received.
class Panel {
  constructor(name, about, make_transport) {
    this.node = element('panel').content.cloneNode(true).firstElementChild;
    this.name = name;
    this.ids = new Set();
    this.pieces = 0;
    this.twice = 0;
    this.node.dataset.transport = name;
    this.find('h2').textContent = name;
    this.find('.about').textContent = about;
    this.node.setAttribute('aria-label', name);
    this.find('.deliveries').setAttribute('aria-label', `Deliveries over ${name}`);
    this.transport = make_transport(first_cursor, {
      event: (event) => this.show(event),
      cursor: (text) => (this.find('.cursor').textContent = text.startsWith('rt-') ? 'by time' : text),
      state: (state, text) => this.showState(state, text),
    });
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  showState(state, text) {
    this.find('.state').dataset.state = state;
    this.find('.state .text').textContent = text;
  }

  show(event) {
    if (!isDelivery(event.data)) return;
    if (this.ids.has(event.id)) this.twice += 1;
    this.ids.add(event.id);
    this.pieces += event.data.data.pieces;
    const list = this.find('.deliveries');
    list.prepend(this.item(event));
    while (list.children.length > kItemsShown) list.lastElementChild.remove();
    this.find('.count').textContent = number.format(this.ids.size) + (this.twice ? ` (${this.twice} twice)` : '');
    this.find('.pieces').textContent = number.format(this.pieces);
    this.find('.empty').hidden = true;
    agreement();
  }

  // For events committed before the page was opened, shows the time instead of the delay, which would mean nothing.
  item(event) {
    const { pieces, cheese_type } = event.data.data;
    const node = element('item').content.cloneNode(true).firstElementChild;
    const committed = event.ts * 1000;
    const delay = serverNow() - committed;
    const fresh = committed >= opened_at;
    node.dataset.id = event.id;
    node.dataset.cheese = kCheeses.indexOf(cheese_type);
    node.querySelector('b').textContent = cheese_type;
    const amount = `${number.format(pieces)} ${pieces === 1 ? 'piece' : 'pieces'}`;
    node.querySelector('.amount').textContent = `${amount} · event\u00a0${event.id}`;
    const time = new Date(committed).toLocaleTimeString('en-GB');
    node.querySelector('.when').textContent = fresh ? duration(delay) : time;
    if (fresh) {
      this.find('.delay').textContent = duration(delay);
      node.classList.add('fresh');
    }
    return node;
  }
}

const panels = [
  new Panel('WebSocket', 'A connection stays open in both directions; nginx sends each event as a message.',
    (cursor, report) => new Socket(`rt/events/${kChannel}`, cursor, report)),
  new Panel('EventSource', 'One request stays open; nginx writes each event to it as it is committed.',
    (cursor, report) => new EventStream(`rt/events/${kChannel}`, kTypes, cursor, report)),
  new Panel('Long poll', 'A request waits in nginx, ends with the next event, and is sent again.',
    (cursor, report) => new Polling(`rt/events/${kChannel}`, 'long-poll', cursor, report)),
  new Panel('Short poll', 'A request to the fallback every few seconds, answered at once with what is new.',
    (cursor, report) => new Polling(`fallback/events/${kChannel}`, 'poll', cursor, report)),
];

// Shows how many panels have the newest delivery.
function agreement() {
  const newest = Math.max(...panels.flatMap((panel) => [...panel.ids].slice(-1)));
  const have = panels.filter((panel) => panel.ids.has(newest)).length;
  element('outcome').textContent = `Event ${newest} is on ${have} of ${panels.length} panels.`;
}

// The Idempotency-Key makes it safe to send a delivery again if the answer was lost.
async function deliver(data, key = String(Math.random()), tries = 2) {
  const request = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
    body: JSON.stringify({ type: 'cheese_created', data }),
  };
  try {
    const response = await fetch(`rt/events/${kChannel}`, request);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.msg);
  } catch (error) {
    if (tries > 1) return deliver(data, key, tries - 1);
    element('outcome').textContent = `Not delivered: ${error.message}`;
  }
}

const randomFrom = (least, most) => least + Math.floor(Math.random() * (most - least + 1));

function deliverFromForm() {
  const chosen = element('cheese-type').value;
  const cheese_type = chosen || kCheeses[randomFrom(0, kCheeses.length - 1)];
  deliver({ pieces: chosen ? Number(element('pieces').value) : randomFrom(kFewest, kMost), cheese_type });
}

// Any cheese comes in a random number of pieces.
function choosePieces() {
  const pieces = element('pieces');
  const any = element('cheese-type').value === '';
  if (any !== pieces.disabled) pieces.value = any ? '' : kPieces;
  pieces.disabled = any;
}

function setUpForm() {
  const select = element('cheese-type');
  select.append(new Option('any cheese', ''), ...kCheeses.map((cheese) => new Option(cheese, cheese)));
  select.addEventListener('change', choosePieces);
  choosePieces();
  element('delivery').addEventListener('submit', (submit) => {
    submit.preventDefault();
    deliverFromForm();
  });
  setInterval(() => element('keep').checked && element('delivery').reportValidity() && deliverFromForm(), 1000);
}

// The switch is a file that nginx checks for each request (demo/nginx.conf.in). After a change the page reconnects all
// panels from their cursors, so that the change shows at once.
let module_on;
function showModule(on) {
  if (on === module_on) return;
  const flipped = module_on !== undefined;
  module_on = on;
  element('module').setAttribute('aria-checked', on);
  element('module-text').textContent = on ? 'on' : 'off';
  element('notice').hidden = on;
  if (flipped) panels.forEach((panel) => panel.transport.reopen());
}

async function readModule() {
  try {
    const response = await fetch('demo/module', { cache: 'no-store' });
    showModule((await response.text()) === 'on');
  } catch {
    // nginx does not answer: the panels show this.
  }
}

async function flipModule() {
  await fetch('demo/module/off', module_on ? { method: 'PUT', body: 'off' } : { method: 'DELETE' });
  await readModule();
}

element('origin').textContent = location.origin;
element('panels').append(...panels.map((panel) => panel.node));
setUpForm();
element('module').addEventListener('click', flipModule);
readModule();
setInterval(readModule, 2000);
panels.forEach((panel) => panel.transport.open());

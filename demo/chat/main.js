// The chat page: chooses the person, starts the session with pgevents, and connects the page's parts to it. Everything
// from the server arrives through the client library.
import { register } from '../client/index.js';
import { ConnectionPanel } from './connection_panel.js';
import { People } from './people.js';
import { Rooms } from './rooms.js';
import { ModuleSwitch } from './switch.js';

const kRooms = [['dairy', 'Dairy'], ['cellar', 'Cellar'], ['market', 'Market stall']];
const kBase = 'rt';
const element = (id) => document.getElementById(id);

// Each tab has a person of its own; `?as=10` in the address chooses one.
const chosen = () => new URLSearchParams(location.search).get('as') ?? sessionStorage.getItem('person');

function choose(id) {
  if (id) sessionStorage.setItem('person', id);
  else sessionStorage.removeItem('person');
  location.search = '';
}

function showLogin(people) {
  element('login').hidden = false;
  element('choices').replaceChildren(...people.map(({ id, name }) => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.dataset.person = id;
    button.addEventListener('click', () => choose(id));
    item.append(button);
    return item;
  }));
}

// The demo signs a token for each person when it starts; a real application does so when a user logs in.
async function readPeople() {
  const response = await fetch('demo/people.json', { cache: 'no-store' });
  if (!response.ok) throw new Error(`Cannot read the demo's people (status ${response.status}).`);
  return response.json();
}

async function start(me, people) {
  const session = await register(kBase, {
    token: me.token,
    user: me.id,
    channels: kRooms.map(([id]) => `stream:${id}`),
    share: me.id,
  });
  const names = new Map(people.map(({ id, name }) => [id, name]));
  const rooms = new Rooms({ rooms: kRooms, me, names, session, base: kBase });
  const connection = new ConnectionPanel(session);
  new People({ people, me, session });
  new ModuleSwitch(() => session.channel.setToken(me.token), (on) => connection.showModule(on));
  setUpVisibility(session);
  addEventListener('pagehide', () => session.typing.stop());
  await rooms.start();
  return session;
}

// The checkbox is the same in all tabs of this person: a change arrives as an event.
function setUpVisibility(session) {
  const box = element('visible');
  const show = () => (box.checked = session.settings.presence_enabled);
  box.addEventListener('change', () => {
    session.call('PATCH', 'settings', { presence_enabled: box.checked }).catch(show);
  });
  session.channel.addEventListener('user_settings', () => queueMicrotask(show));
  show();
}

const people = await readPeople();
const me = people.find(({ id }) => id === chosen());
if (me) {
  element('me').textContent = `You are ${me.name}.`;
  element('leave').addEventListener('click', () => choose(null));
  element('chat').hidden = false;
  globalThis.session = await start(me, people); // for the browser's console
} else {
  showLogin(people);
}

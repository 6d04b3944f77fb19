// The chat page: chooses the person, starts the session with pgevents, and connects the page's parts to it. Everything
// from the server arrives through the client library.
import { register } from '../client/index.js';
import { readClock } from '../clock.js';
import { ConnectionPanel } from './connection_panel.js';
import { Credentials, readPeople } from './credentials.js';
import { People } from './people.js';
import { Rooms, whereOf } from './rooms.js';
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

// Shows why the chat cannot start, instead of an empty page.
function showFailure(error) {
  const rejected = error.status === 401;
  element('reason').textContent = rejected ? `The server rejects this person's token: ${error.message}.` : error.message;
  element('failure').hidden = false;
}

async function start(me, people) {
  const credentials = new Credentials(me);
  const session = await register(kBase, {
    token: (rejection) => (rejection ? credentials.renew() : credentials.token),
    user: me.id,
    channels: kRooms.map(([id]) => `stream:${id}`),
    messages: { message: (data, channel) => ({ where: whereOf(channel), user: data?.author }) },
  });
  element('chat').hidden = false;
  const names = new Map(people.map(({ id, name }) => [id, name]));
  const rooms = new Rooms({ rooms: kRooms, me, names, session, credentials, base: kBase });
  const connection = new ConnectionPanel(session, credentials);
  new People({ people, me, session });
  new ModuleSwitch(() => session.channel.setToken(credentials.token), (on) => connection.showModule(on));
  setUpVisibility(session);
  await session.start(() => rooms.start());
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

async function open() {
  const [people] = await Promise.all([readPeople(), readClock()]);
  const me = people.find(({ id }) => id === chosen());
  if (!me) return showLogin(people);
  element('me').textContent = `You are ${me.name}.`;
  globalThis.session = await start(me, people); // for the browser's console
}

for (const button of document.querySelectorAll('.change-person')) button.addEventListener('click', () => choose(null));
element('again').addEventListener('click', () => location.reload());
open().catch(showFailure);

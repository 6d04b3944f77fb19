// The switch of the nginx module, which is a file of nginx (demo/nginx.conf.in). New requests follow it; so that this can be seen
// at once, what is open is opened anew, at its cursor.
const element = (id) => document.getElementById(id);

export class ModuleSwitch {
  #reopen;
  #show;
  #on;

  constructor(reopen, show) {
    this.#reopen = reopen;
    this.#show = show;
    element('module').addEventListener('click', () => this.#flip());
    this.#read();
    setInterval(() => this.#read(), 2000);
  }

  #set(on) {
    if (on === this.#on) return;
    const flipped = this.#on !== undefined;
    this.#on = on;
    element('module').setAttribute('aria-checked', on);
    element('module-text').textContent = on ? 'on' : 'off';
    this.#show(on);
    if (flipped) this.#reopen();
  }

  async #read() {
    try {
      const response = await fetch('demo/module', { cache: 'no-store' });
      this.#set((await response.text()) === 'on');
    } catch {
      // nginx is away: the line says so.
    }
  }

  async #flip() {
    await fetch('demo/module/off', this.#on ? { method: 'PUT', body: 'off' } : { method: 'DELETE' });
    await this.#read();
  }
}

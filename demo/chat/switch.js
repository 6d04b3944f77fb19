// The switch of the nginx module: a file that nginx checks for each request (demo/nginx.conf.in). After a change the
// page reconnects from its cursor, so that the change shows at once.
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
      // nginx does not answer: the connection panel shows this.
    }
  }

  async #flip() {
    await fetch('demo/module/off', this.#on ? { method: 'PUT', body: 'off' } : { method: 'DELETE' });
    await this.#read();
  }
}

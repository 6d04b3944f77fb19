// An application for each hook of client/howto.md. It shows the connection and the items of a channel;
// show(channel) in the page changes the channel, leave() unmounts it. renderedBy() renders it as a server does.
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { compile } from 'svelte/compiler';

import { blockWith } from '../../lib/documents.mjs';
import { kRoot, tempDir } from '../../lib/scratch.mjs';

const kCommon = `
  export const reduce = (items, { data }) => [...items, data];
  export const load = async (channel) => {
    const response = await fetch('/api/items/' + channel);
    if (!response.ok) throw new Error('no items');
    return response.json();
  };`;

const kReact = `
  import { StrictMode } from 'react';
  import { useEvents } from 'hook';
  import { load, reduce } from 'common';
  function List({ channel }) {
    const [items, connection] = useEvents('/rt', channel, reduce, load);
    return <p>{connection + ': ' + (items?.join(' ') ?? '')}</p>;
  }
  export const tree = (channel) => <StrictMode><List channel={channel} /></StrictMode>;`;

const kVue = `
  import { h, ref } from 'vue';
  import { useEvents } from 'hook';
  import { load, reduce } from 'common';
  export const channel = ref('items');
  export const List = {
    setup() {
      const { state, connection } = useEvents('/rt', channel, reduce, load);
      return () => h('p', connection.value + ': ' + (state.value?.join(' ') ?? ''));
    },
  };`;

const kSvelte = `
  <script>
    import { eventsStore } from 'hook';
    import { load, reduce } from 'common';
    let channel = $state('items');
    const items = $derived(eventsStore('/rt', channel, reduce, load));
    export const show = (name) => (channel = name);
  </script>
  <p>{$items.connection}: {$items.state?.join(' ') ?? ''}</p>`;

// By library: what the hook imports, the component, what the page does with it, and what a server does.
const kApplications = {
  React: {
    from: 'react', view: kReact,
    page: `import { createRoot } from 'react-dom/client';
      import { tree } from 'view';
      const root = createRoot(document.getElementById('app'));
      window.show = (channel) => root.render(tree(channel));
      window.leave = () => root.unmount();
      window.show('items');`,
    server: `import { renderToString } from 'react-dom/server';
      import { tree } from 'view';
      export const text = renderToString(tree('items'));`,
  },
  Vue: {
    from: 'vue', view: kVue,
    page: `import { createApp } from 'vue';
      import { channel, List } from 'view';
      const application = createApp(List);
      application.mount('#app');
      window.show = (name) => (channel.value = name);
      window.leave = () => application.unmount();`,
    server: `import { createSSRApp } from 'vue';
      import { renderToString } from 'vue/server-renderer';
      import { List } from 'view';
      export const text = await renderToString(createSSRApp(List));`,
  },
  Svelte: {
    from: 'svelte/store', view: kSvelte,
    page: `import { mount, unmount } from 'svelte';
      import View from 'view';
      const view = mount(View, { target: document.getElementById('app') });
      window.show = view.show;
      window.leave = () => unmount(view);`,
    server: `import { render } from 'svelte/server';
      import View from 'view';
      export const text = render(View).body;`,
  },
};

export const kLibraries = Object.keys(kApplications);

function partsOf(library, generate) {
  const { from, view } = kApplications[library];
  return {
    common: kCommon, hook: blockWith('client/howto.md', from),
    view: library === 'Svelte' ? compile(view, { generate, filename: 'View.svelte' }).js.code : view,
  };
}

// Lets a bundle import these texts by their names.
const given = (parts) => ({
  name: 'given',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^(${Object.keys(parts).join('|')})$`) }, ({ path: name }) => ({ path: name, namespace: 'given' }));
    onLoad({ filter: /./, namespace: 'given' }, ({ path: name }) => ({ contents: parts[name], loader: 'tsx', resolveDir: kRoot }));
  },
});

async function bundle(contents, parts, options) {
  const built = await build({
    stdin: { contents, resolveDir: kRoot }, bundle: true, write: false, jsx: 'automatic', plugins: [given(parts)],
    alias: { pgevents: path.join(kRoot, 'client/src/index.js') }, logLevel: 'error',
    define: {
      'process.env.NODE_ENV': '"development"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
    ...options,
  });
  return built.outputFiles[0].text;
}

// The script of a page.
export const applicationOf = (library) =>
  bundle(kApplications[library].page, partsOf(library, 'client'), { format: 'iife' });

// What a server makes of the page.
export async function renderedBy(library) {
  const file = path.join(tempDir('rendered'), `${library}.mjs`);
  const script = await bundle(kApplications[library].server, partsOf(library, 'server'), {
    format: 'esm', platform: 'node',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  fs.writeFileSync(file, script);
  return (await import(file)).text;
}

// An application with the hooks of client/howto.md, and the `load` and `reduce` of that page; compiled by
// types.test.mjs in a folder where each is a file.
import { get } from 'svelte/store';
import { ref } from 'vue';

import { load, reduce } from './items';
import { useEvents } from './react';
import { eventsStore } from './svelte';
import { useEvents as useVueEvents } from './vue';

export function List({ channel }: { channel: string }) {
  const [items, connection] = useEvents('/rt', channel, reduce, load);
  // @ts-expect-error: undefined until it is loaded
  items.at(0);
  // @ts-expect-error: no state of a connection
  if (connection === 'opened') return null;
  return <p title={connection}>{items?.map(({ title }) => title.toUpperCase())}</p>;
}

// Without types of its own.
export function Plain() {
  const [words] = useEvents('/rt', 'words', (before: string[], { data }) => [...before, data], async () => ['a']);
  return <p>{words?.join(' ')}</p>;
}

export function setup(properties: { channel: string }) {
  const { state, connection } = useVueEvents('/rt', () => properties.channel, reduce, load);
  const others = useVueEvents('/rt', ref('others'), reduce, load);
  // @ts-expect-error: an item has no such member
  others.state.value?.[0]?.name;
  return () => `${connection.value}: ${state.value?.map(({ title }) => title).join()}`;
}

export function shown(channel: string) {
  const { connection, state } = get(eventsStore('/rt', channel, reduce, load));
  // @ts-expect-error: undefined until it is loaded
  state.at(0);
  return `${connection}: ${state?.map(({ title }) => title).join()}`;
}

// @ts-expect-error: another state than that of reduce
eventsStore('/rt', 'items', reduce, async () => ['a']);

// The probe as a program in Node. program.mjs ORIGIN [react-native [no-socket]]: with the globals of React Native.
import { becomeReactNative } from './react_native.mjs';

const [origin, platform, variant] = process.argv.slice(2);
if (platform) await becomeReactNative({ socket: variant !== 'no-socket' });
const { probe } = await import('./probe.js');
// The shorter time is for a request that never begins to be answered.
console.log(JSON.stringify(await probe(origin, platform && { heartbeatTimeout: 2500 })));

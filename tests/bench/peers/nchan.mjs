// nchan by itself: Debian's module, with messages in nginx's shared memory.
import { channelArgs, nginxHttp, startNginx } from './common.mjs';

export const kNchanModule = process.env.PGEVENTS_NCHAN ?? '/usr/lib/nginx/modules/ngx_nchan_module.so';

// A long poll gets all messages so far ("raw", in one answer), and a new subscriber those from now on, as with
// pgevents. `store`: where messages are kept, for both locations.
export const nchanLocations = (store = '') => `        location ~ ^/pub/(\\w+)$ {
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_timeout 60s;
            nchan_message_buffer_length 100;
${store}        }
        location ~ ^/events/(\\w+)$ {
            nchan_subscriber;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_longpoll_multipart_response raw;
${store}        }
`;

export const nchanArgs = (nginx) => ['--server', nginx.listen(), '--publish', '/pub/', '--cursor', 'nchan', '--publishers', '16',
  '--watch', `server=${nginx.master()}`, ...channelArgs('/events/')];

async function start({ buffers }) {
  const memory = '    nchan_shared_memory_size 256m;\n';
  const http = (listen) => nginxHttp(listen, buffers, memory, nchanLocations());
  const nginx = await startNginx({ modules: [kNchanModule], loadModule: false, http });
  return { args: nchanArgs(nginx), config: http('127.0.0.1:…'), stop: () => nginx.stop({ signal: 'SIGTERM' }) };
}

export const nchan = { start, flavors: ['sse', 'long-poll', 'websocket'], needs: { 'libnginx-mod-nchan': kNchanModule } };

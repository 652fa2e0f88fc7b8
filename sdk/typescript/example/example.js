// The whole client without a bundler: built files, a plain page, an API token.
import { createClient } from '../dist/index.js';

const the = (id) => document.getElementById(id);

the('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  const { server, token } = Object.fromEntries(new FormData(event.target));
  event.target.hidden = true;
  document.querySelector('main').hidden = false;
  run(server.replace(/\/$/, ''), token);
});

function run(server, token) {
  const client = createClient({
    baseUrl: server,
    authorize: () => ({ Authorization: `Bearer ${token}` }),
    owner: { userId: 'example', organizationId: 'example' },
  });
  const recorder = client.createRecorder();

  the('start').onclick = () => recorder.start();
  the('pause').onclick = () => (recorder.getSnapshot().state === 'paused' ? recorder.resume() : recorder.pause());
  the('stop').onclick = () => recorder.stop();
  recorder.onLevel(({ rms }) => {
    the('level').value = rms;
  });

  const show = () => {
    const { state, seconds, sides, failure } = recorder.getSnapshot();
    the('state').textContent = state;
    the('time').textContent = `${seconds.toFixed(0)} s`;
    const wrong = Object.entries(sides).filter(([, value]) => value).map(([name]) => name);
    the('warnings').textContent = [...wrong, failure].filter(Boolean).join(', ');
  };
  const list = () => {
    the('unsent').replaceChildren(...client.unsent().map((one) => {
      const item = document.createElement('li');
      item.textContent = `${one.filename}: ${one.phase}, ${Math.round(one.progress * 100)} % `;
      if (one.problem) item.append(one.problem.message);
      return item;
    }));
  };
  recorder.subscribe(show);
  client.subscribe(list);
  show();
}

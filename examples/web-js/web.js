// A handler as the web has them: a Request in, a Response out. Routes by method and path.
const routes = {
  'GET /': () => new Response('POST text to /words, or ask for /time\n'),
  'GET /time': () => Response.json({now: new Date().toISOString()}),
  'POST /words': async (request) => {
    const text = await request.text();
    const counts = {};
    for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) counts[word] = (counts[word] ?? 0) + 1;
    return Response.json(counts, {headers: {'X-Words': String(Object.keys(counts).length)}});
  },
};

export default {
  async fetch(request) {
    const {pathname} = new URL(request.url);
    // A call without a path of its own is taken for words.
    const key = request.method === 'POST' && pathname === '/' ? 'POST /words' : `${request.method} ${pathname}`;
    const route = routes[key];
    return route ? route(request) : new Response(`nothing is at ${pathname}\n`, {status: 404});
  },
};

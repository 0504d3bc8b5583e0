// A hello in an isolate that workerd keeps and uses again for every request.
export default {
  async fetch() {
    return new Response("hello\n", { headers: { "Content-Type": "text/plain" } });
  },
};

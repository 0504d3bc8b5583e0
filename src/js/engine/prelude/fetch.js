// fetch, and what ends one early.
(native) => {
  class AbortSignal {
    #reason = undefined;
    #listeners = new Set();
    onabort = null;
    get aborted() { return this.#reason !== undefined; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.aborted) throw this.#reason; }
    addEventListener(type, listener) { if (type === 'abort') this.#listeners.add(listener); }
    removeEventListener(type, listener) { this.#listeners.delete(listener); }
    static {
      native.abort = (signal, reason) => {
        if (signal.aborted) return;
        signal.#reason = reason ?? new DOMException('This operation was aborted', 'AbortError');
        const event = {type: 'abort', target: signal};
        for (const listener of [signal.onabort, ...signal.#listeners]) {
          if (typeof listener === 'function') listener.call(signal, event);
          else listener?.handleEvent?.(event);
        }
      };
    }
    static abort(reason) {
      const signal = new AbortSignal();
      native.abort(signal, reason);
      return signal;
    }
    static timeout(milliseconds) {
      const signal = new AbortSignal();
      setTimeout(() => native.abort(signal, new DOMException('The operation timed out', 'TimeoutError')), milliseconds);
      return signal;
    }
    static any(signals) {
      const made = new AbortSignal();
      for (const signal of signals) {
        if (signal.aborted) native.abort(made, signal.reason);
        else signal.addEventListener('abort', () => native.abort(made, signal.reason));
      }
      return made;
    }
  }
  native.defineClass(AbortSignal);

  class AbortController {
    #signal = new AbortSignal();
    get signal() { return this.#signal; }
    abort(reason) { native.abort(this.#signal, reason); }
  }
  native.defineClass(AbortController);

  const join = (head, body) => {
    const text = native.encode(head.toWellFormed());
    const bytes = new Uint8Array(text.length + body.length);
    bytes.set(text);
    bytes.set(body, text.length);
    return bytes;
  };

  const write = (request) => {
    let head = `${request.method}\0${request.url}\0${request.redirect}\0`;
    for (const [name, value] of request.headers) head += `${name}\0${value}\0`;
    return join(`${head}\0`, native.takeBytes(request));
  };

  const read = (bytes) => {
    let at = 0;
    const next = () => {
      const end = bytes.indexOf(0, at);
      const text = native.decode(bytes.subarray(at, end), false);
      at = end + 1;
      return text;
    };
    const status = Number(next());
    if (status === 0) throw new TypeError(`fetch failed: ${native.decode(bytes.subarray(at), false)}`);
    const url = next();
    const redirected = next() === '1';
    const headers = [];
    for (let name = next(); name !== ''; name = next()) headers.push([name, next()]);
    return native.responseOfFetch(bytes.subarray(at), status, headers, url, redirected);
  };

  native.define(globalThis, 'fetch', async function fetch(input, options) {
    const request = new Request(input, options);
    const signal = request.signal;
    if (!signal) return read(await native.fetch(write(request)));
    signal.throwIfAborted();
    const aborted = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    return read(await Promise.race([native.fetch(write(request)), aborted]));
  });
}

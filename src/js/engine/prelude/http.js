// Request and Response, and how a call becomes one and the other an answer.
(native) => {
  const none = new Uint8Array(0);

  // -> [bytes, the type it has by itself]
  const bytesOfBody = (body) => {
    if (body === null || body === undefined) return [null, null];
    if (typeof body === 'string') return [native.encode(body.toWellFormed()), 'text/plain;charset=UTF-8'];
    if (body instanceof URLSearchParams) {
      return [native.encode(body.toString()), 'application/x-www-form-urlencoded;charset=UTF-8'];
    }
    if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return [native.bytesOf(body).slice(), null];
    return [native.encode(String(body).toWellFormed()), 'text/plain;charset=UTF-8'];
  };

  class Body {
    #bytes;
    #used = false;
    constructor(bytes) { this.#bytes = bytes; }
    static { native.takeBody = (message) => message.#take(); native.peekBody = (message) => message.#bytes; }
    #take() {
      if (this.#used) throw new TypeError('the body was read already; clone() what is read twice');
      this.#used = this.#bytes !== null;
      return this.#bytes ?? none;
    }
    get body() { return this.#bytes; }
    get bodyUsed() { return this.#used; }
    async bytes() { return this.#take().slice(); }
    async arrayBuffer() { return this.#take().slice().buffer; }
    async text() { return native.decode(this.#take(), false).replace(/^\ufeff/, ''); }
    async json() { return JSON.parse(native.decode(this.#take(), false)); }
    async formData() {
      const type = this.headers.get('content-type') ?? '';
      if (!type.startsWith('application/x-www-form-urlencoded')) throw new TypeError(`a form of type '${type}' is not supported`);
      return new URLSearchParams(native.decode(this.#take(), false));
    }
  }

  const methodOf = (method) => {
    const text = String(method);
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)) throw new TypeError(`'${text.slice(0, 80)}' is not a method`);
    const upper = text.toUpperCase();
    return ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'].includes(upper) ? upper : text;
  };

  const copyOf = (message) => {
    if (message.bodyUsed) throw new TypeError('the body was read already');
    return native.peekBody(message);
  };

  // The request of the call itself is not checked again, and its headers are read when they are looked at.
  const ofCall = Symbol('the request of the call');
  const headersOfCall = () => {
    const list = native.list(0);
    const headers = new Headers();
    for (let i = 0; i < list.length; i += 2) headers.append(list[i], list[i + 1]);
    return headers;
  };

  class Request extends Body {
    #url;
    #method;
    #headers;
    #redirect;
    #signal;
    constructor(input, options = {}) {
      if (input === ofCall) {
        super(options.bytes.length === 0 ? null : options.bytes);
        this.#url = options.url;
        this.#method = options.method;
        this.#headers = null;
        this.#redirect = 'follow';
        this.#signal = null;
        return;
      }
      const from = input instanceof Request ? input : null;
      const [bytes, type] = options.body !== undefined ? bytesOfBody(options.body) : [from ? copyOf(from) : null, null];
      super(bytes);
      this.#url = from ? from.url : new URL(input).href;
      this.#method = methodOf(options.method ?? from?.method ?? 'GET');
      if (bytes !== null && (this.#method === 'GET' || this.#method === 'HEAD') && options.body) {
        throw new TypeError(`a ${this.#method} request has no body`);
      }
      this.#headers = new Headers(options.headers ?? from?.headers);
      if (type && !this.#headers.has('content-type')) native.putHeader(this.#headers, 'content-type', type);
      this.#redirect = options.redirect ?? from?.redirect ?? 'follow';
      this.#signal = options.signal ?? from?.signal ?? null;
    }
    get url() { return this.#url; }
    get method() { return this.#method; }
    get headers() { return (this.#headers ??= headersOfCall()); }
    get redirect() { return this.#redirect; }
    get signal() { return this.#signal; }
    clone() { return new Request(this); }
  }
  native.defineClass(Request);

  const emptyStatus = [101, 204, 205, 304];
  class Response extends Body {
    #status;
    #statusText;
    #headers;
    #url = '';
    #redirected = false;
    constructor(body, options = {}) {
      const [bytes, type] = bytesOfBody(body);
      super(bytes);
      const status = options.status === undefined ? 200 : Number(options.status);
      if (!Number.isInteger(status) || status < 200 || status > 599) {
        throw new RangeError(`the status ${options.status} is not a whole number from 200 to 599`);
      }
      if (bytes !== null && emptyStatus.includes(status)) throw new TypeError(`a response of status ${status} has no body`);
      this.#status = status;
      this.#statusText = String(options.statusText ?? '');
      this.#headers = new Headers(options.headers);
      if (type && !this.#headers.has('content-type')) native.putHeader(this.#headers, 'content-type', type);
    }
    static json(value, options = {}) {
      const text = JSON.stringify(value);
      if (text === undefined) throw new TypeError('Response.json: the value is not one that JSON has');
      const headers = new Headers(options.headers);
      if (!headers.has('content-type')) headers.set('content-type', 'application/json');
      return new Response(text, {...options, headers});
    }
    static redirect(url, status = 302) {
      if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`${status} is not the status of a redirect`);
      return new Response(null, {status, headers: {location: String(url)}});
    }
    static error() { return new Response(null, {status: 599}); }
    get status() { return this.#status; }
    get statusText() { return this.#statusText; }
    get ok() { return this.#status < 300; }
    get headers() { return this.#headers; }
    get url() { return this.#url; }
    get redirected() { return this.#redirected; }
    get type() { return 'default'; }
    clone() {
      const bytes = copyOf(this);
      const made = new Response(bytes, {status: this.#status, statusText: this.#statusText, headers: this.#headers});
      made.#url = this.#url;
      return made;
    }
    static {
      native.responseOfFetch = (bytes, status, headers, url, redirected) => {
        const empty = emptyStatus.includes(status);
        const made = new Response(empty ? null : bytes, {status: Math.min(Math.max(status, 200), 599)});
        for (const [name, value] of headers) {
          try {
            made.#headers.append(name, value);
          } catch {
            // What is no header is nobody's.
          }
        }
        made.#url = url;
        made.#redirected = redirected;
        return made;
      };
    }
  }
  native.defineClass(Response);
  native.Response = Response;

  // ---- a call

  const METHOD = 0;
  const PATH = 1;
  const QUERY = 2;
  const CALL_ID = 3;
  const FUNCTION = 4;

  // Parsing a URL costs more than all the rest of a short call; most are in normal form already.
  const isPlainHost = /^[a-z0-9\-]+(\.[a-z\-][a-z0-9\-]*)*(:(?!80$)[1-9][0-9]*)?$/;
  const isPlainPath = /^(\/(?!\.)[A-Za-z0-9\-._~!$&()*+,;=:@]*)+(\?[A-Za-z0-9\-._~!$&()*+,;=:@/?%]*)?$/;
  const readRequest = () => {
    const query = native.part(QUERY);
    const host = native.host() || 'localhost';
    const rest = native.part(PATH) + (query === '' ? '' : `?${query}`);
    let url = `http://${host}${rest}`;
    if (!isPlainHost.test(host) || !isPlainPath.test(rest)) url = (URL.parse(url) ?? new URL(`http://localhost${rest}`)).href;
    return new Request(ofCall, {url, method: native.part(METHOD), bytes: native.input()});
  };

  const later = [];
  const context = () => ({
    callId: native.part(CALL_ID),
    functionName: native.part(FUNCTION),
    waitUntil: (promise) => { later.push(Promise.resolve(promise).catch((error) => console.error('waitUntil:', error))); },
    passThroughOnException: () => {},
  });

  native.serve = async (handler, self) => {
    const response = await handler.call(self, readRequest(), native.variables(), context());
    if (!(response instanceof Response)) {
      throw new TypeError(`fetch returned ${response === null ? 'null' : typeof response}; it must return a Response`);
    }
    return response;
  };

  native.respond = async (response) => {
    const bytes = native.takeBody(response);
    native.status(response.status);
    native.eachHeader(response.headers, (name, value) => {
      // What says how the message is framed is not the function's to say.
      if (!native.header(name, value) && !['connection', 'content-length', 'transfer-encoding', 'date', 'server'].includes(name)) {
        throw new TypeError(`the reply cannot have the header '${name}'`);
      }
    });
    native.output(bytes);
    while (later.length > 0) await later.shift();
  };
}

// Request and Response, and how a call becomes one and the other an answer.
//
// A call pays for what it looks at: its Request is made when the function is deployed and reads its parts when
// they are asked for, and a body that is text stays text until somebody wants bytes.
(native) => {
  const none = new Uint8Array(0);
  const isBytes = (body) => body instanceof ArrayBuffer || ArrayBuffer.isView(body);

  // Text, bytes or null.
  const bodyOf = (body) => {
    if (body === null || body === undefined) return null;
    if (typeof body === 'string') return body.toWellFormed();
    return isBytes(body) ? native.bytesOf(body).slice() : String(body).toWellFormed();
  };
  // The type that a body has by itself.
  const typeOf = (body) => {
    if (typeof body === 'string') return 'text/plain;charset=UTF-8';
    if (body === null || body === undefined || isBytes(body)) return null;
    if (body instanceof URLSearchParams) return 'application/x-www-form-urlencoded;charset=UTF-8';
    return 'text/plain;charset=UTF-8';
  };

  const ofCall = Symbol('the request of the call');

  // What Request and Response have of their body, which is text, bytes or null. `look` gives it, `take` gives it
  // once, `hold` replaces it.
  const bytesOf = (message, take) => {
    const body = take(message);
    return typeof body === 'string' ? native.encode(body) : body?.slice() ?? none.slice();
  };
  const textOf = (message, take) => {
    const body = take(message);
    return typeof body === 'string' ? body : native.decode(body ?? none, false);
  };
  const addBody = (Class, {look, take, hold, isUsed}) => {
    class Body {
      get body() {
        const body = look(this);
        if (typeof body !== 'string') return body;
        const bytes = native.encode(body);
        hold(this, bytes);
        return bytes;
      }
      get bodyUsed() { return isUsed(this); }
      async bytes() { return bytesOf(this, take); }
      async arrayBuffer() { return bytesOf(this, take).buffer; }
      async text() {
        const text = textOf(this, take);
        return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
      }
      async json() { return JSON.parse(textOf(this, take)); }
      async formData() {
        const type = this.headers.get('content-type') ?? '';
        if (!type.startsWith('application/x-www-form-urlencoded')) throw new TypeError(`a form of type '${type}' is not supported`);
        return new URLSearchParams(textOf(this, take));
      }
    }
    const {constructor, ...methods} = Object.getOwnPropertyDescriptors(Body.prototype);
    Object.defineProperties(Class.prototype, methods);
  };
  const readAlready = () => { throw new TypeError('the body was read already; clone() what is read twice'); };

  const methodOf = (method) => {
    const text = String(method);
    if (!native.isToken(text)) throw new TypeError(`'${text.slice(0, 80)}' is not a method`);
    const upper = text.toUpperCase();
    return ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'].includes(upper) ? upper : text;
  };

  const headersOfCall = () => {
    const list = native.list(0);
    const headers = new Headers();
    for (let i = 0; i < list.length; i += 2) headers.append(list[i], list[i + 1]);
    return headers;
  };

  const METHOD = 0;
  const PATH = 1;
  const QUERY = 2;
  const CALL_ID = 3;
  const FUNCTION = 4;

  // Parsing a URL costs more than all the rest of a short call; most are in normal form already.
  const urlOfCall = () => {
    const plain = native.plainUrl();
    if (plain !== null) return plain;
    const query = native.part(QUERY);
    const rest = native.part(PATH) + (query === '' ? '' : `?${query}`);
    return (URL.parse(`http://${native.host()}${rest}`) ?? new URL(`http://localhost${rest}`)).href;
  };

  class Request {
    #body;
    #used = false;
    #url;
    #method;
    #headers;
    #redirect = 'follow';
    #signal = null;
    constructor(input, options = {}) {
      if (input === ofCall) {
        this.#body = ofCall;
        return;
      }
      const from = input instanceof Request ? input : null;
      const given = options.body !== undefined;
      if (!given && from?.bodyUsed) readAlready();
      const body = given ? bodyOf(options.body) : from ? Request.#look(from) : null;
      this.#body = body;
      this.#url = from ? from.url : new URL(input).href;
      this.#method = methodOf(options.method ?? from?.method ?? 'GET');
      if (body !== null && (this.#method === 'GET' || this.#method === 'HEAD') && options.body) {
        throw new TypeError(`a ${this.#method} request has no body`);
      }
      this.#headers = new Headers(options.headers ?? from?.headers);
      const type = given ? typeOf(options.body) : null;
      if (type) native.putHeader(native.listOf(this.#headers), 'content-type', type);
      this.#redirect = options.redirect ?? from?.redirect ?? 'follow';
      this.#signal = options.signal ?? from?.signal ?? null;
    }
    get url() { return (this.#url ??= urlOfCall()); }
    get method() { return (this.#method ??= native.part(METHOD)); }
    get headers() { return (this.#headers ??= headersOfCall()); }
    get redirect() { return this.#redirect; }
    get signal() { return this.#signal; }
    clone() { return new Request(this); }
    static #look(request) {
      if (request.#body !== ofCall) return request.#body;
      const bytes = native.input();
      return (request.#body = bytes.length === 0 ? null : bytes);
    }
    static #take(request) {
      if (request.#used) readAlready();
      const body = Request.#look(request);
      request.#used = body !== null;
      return body;
    }
    static {
      native.takeBytes = (request) => bytesOf(request, Request.#take);
      addBody(Request, {
        look: Request.#look,
        take: Request.#take,
        hold: (request, body) => { request.#body = body; },
        isUsed: (request) => request.#used,
      });
    }
  }
  native.defineClass(Request);

  const emptyStatus = [101, 204, 205, 304];
  const statusOf = (given, body) => {
    const status = Number(given);
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`the status ${given} is not a whole number from 200 to 599`);
    }
    if (body !== null && body !== undefined && emptyStatus.includes(status)) {
      throw new TypeError(`a response of status ${status} has no body`);
    }
    return status;
  };

  const textType = 'text/plain;charset=UTF-8';
  class Response {
    #body = null;
    #used = false;
    #status = 200;
    #list;             // Of the headers, which are made of it when they are looked at.
    #headers = null;
    #more = null;      // What few responses have.
    constructor(body, options) {
      let type = null;
      if (typeof body === 'string') {
        this.#body = body.toWellFormed();
        type = textType;
      } else if (body !== null && body !== undefined) {
        this.#body = bodyOf(body);
        type = typeOf(body);
      }
      if (options === undefined || options === null) {
        this.#list = type === null ? [] : ['content-type', type];
        return;
      }
      const {status, statusText, headers} = options;
      if (status !== undefined) this.#status = statusOf(status, body);
      if (statusText !== undefined) this.#more = {statusText: String(statusText), url: '', redirected: false};
      this.#list = native.readHeaders(headers);
      if (type !== null) native.putHeader(this.#list, 'content-type', type);
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
    get statusText() { return this.#more?.statusText ?? ''; }
    get ok() { return this.#status < 300; }
    get headers() { return (this.#headers ??= native.headersOver(this.#list)); }
    get url() { return this.#more?.url ?? ''; }
    get redirected() { return this.#more?.redirected ?? false; }
    get type() { return 'default'; }
    clone() {
      if (this.#used) readAlready();
      const made = new Response(null, {headers: this.headers});
      made.#body = this.#body;
      made.#status = this.#status;
      made.#more = this.#more;
      return made;
    }
    static {
      native.responseOfFetch = (bytes, status, headers, url, redirected) => {
        const empty = emptyStatus.includes(status);
        const made = new Response(empty ? null : bytes, {status: Math.min(Math.max(status, 200), 599)});
        for (const [name, value] of headers) {
          try {
            made.headers.append(name, value);
          } catch {
            // What is no header is nobody's.
          }
        }
        made.#more = {statusText: '', url, redirected};
        return made;
      };
      const take = (response) => {
        if (response.#used) readAlready();
        response.#used = response.#body !== null;
        return response.#body;
      };
      addBody(Response, {
        look: (response) => response.#body,
        take,
        hold: (response, body) => { response.#body = body; },
        isUsed: (response) => response.#used,
      });
      // The name of a header that the function may not set, or nothing.
      native.write = (response) => {
        if (response.#used) readAlready();
        return native.answer(response.#status, response.#list, response.#body);
      };
    }
  }
  native.defineClass(Response);
  native.Response = Response;

  // ---- a call

  const request = new Request(ofCall);
  const later = [];
  class Context {
    get callId() { return native.part(CALL_ID); }
    get functionName() { return native.part(FUNCTION); }
  }
  const context = new Context();
  context.waitUntil = (promise) => { later.push(Promise.resolve(promise).catch((error) => console.error('waitUntil:', error))); };
  context.passThroughOnException = () => {};

  native.serve = (handler, self) => handler.call(self, request, native.variables(), context);

  // Undefined, or a promise of having ended what the response need not wait for.
  native.respond = (response) => {
    if (!(response instanceof Response)) {
      throw new TypeError(`fetch returned ${response === null ? 'null' : typeof response}; it must return a Response`);
    }
    const refused = native.write(response);
    if (refused !== undefined) throw new TypeError(`the reply cannot have the header '${refused}'`);
    return later.length > 0 ? endLater() : undefined;
  };
  const endLater = async () => {
    while (later.length > 0) await later.shift();
  };
}

// Timers, time, randomness, text, and the function's variables.
(native) => {
  const define = (object, name, value, enumerable = false) =>
    Object.defineProperty(object, name, {value, writable: true, configurable: true, enumerable});
  const tag = (Class, name) =>
    Object.defineProperty(Class.prototype, Symbol.toStringTag, {value: name, configurable: true});
  native.define = define;
  native.tag = tag;
  native.defineClass = (Class) => {
    tag(Class, Class.name);
    define(globalThis, Class.name, Class);
  };
  // await takes what has a `then`; everything else is its own result.
  native.resolve = (value) => {
    const then = value.then;
    return typeof then === 'function' ? new Promise((resolve) => resolve(value)) : value;
  };

  for (const name of ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval']) define(globalThis, name, native[name]);
  define(globalThis, 'setImmediate', (action, ...values) => native.setTimeout(action, 0, ...values));
  define(globalThis, 'clearImmediate', native.clearTimeout);
  define(globalThis, 'self', globalThis);
  define(globalThis, 'navigator', Object.freeze({userAgent: 'Canopy'}));
  define(Math, 'random', native.random);

  // Time begins with the call.
  let start;
  define(globalThis, 'performance', {
    now: () => {
      start ??= 1000;
      return native.clock(1) - start;
    },
    get timeOrigin() { return native.clock(0) - this.now(); },
    toJSON() { return {timeOrigin: this.timeOrigin}; },
  });

  // ---- crypto

  const integers = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    BigInt64Array, BigUint64Array];
  const hex = Array.from({length: 256}, (_, byte) => byte.toString(16).padStart(2, '0'));
  class Crypto {
    getRandomValues(array) {
      if (!integers.some((Type) => array instanceof Type)) {
        throw new DOMException('getRandomValues: the argument is no array of integers', 'TypeMismatchError');
      }
      if (array.byteLength > 65536) {
        throw new DOMException('getRandomValues: at most 65536 bytes at once', 'QuotaExceededError');
      }
      native.randomFill(array);
      return array;
    }
    randomUUID() {
      const bytes = new Uint8Array(16);
      native.randomFill(bytes);
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      let text = '';
      for (let i = 0; i < 16; ++i) text += (i === 4 || i === 6 || i === 8 || i === 10 ? '-' : '') + hex[bytes[i]];
      return text;
    }
  }
  native.defineClass(Crypto);
  define(globalThis, 'crypto', new Crypto());

  // ---- text

  const bytesOf = (data) => {
    if (data === undefined) return new Uint8Array(0);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    throw new TypeError('expected an ArrayBuffer or a view of one');
  };
  native.bytesOf = bytesOf;

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return native.encode(String(text).toWellFormed()); }
    encodeInto(text, into) {
      let read = 0;
      let written = 0;
      for (const character of String(text).toWellFormed()) {
        const bytes = native.encode(character);
        if (written + bytes.length > into.length) break;
        into.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return {read, written};
    }
  }
  native.defineClass(TextEncoder);

  // How many bytes at the end are the beginning of a character that may still come.
  const openEnd = (bytes) => {
    for (let back = 1; back <= 3 && back <= bytes.length; ++back) {
      const byte = bytes[bytes.length - back];
      if ((byte & 0xc0) === 0x80) continue;
      const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
      return size > back ? back : 0;
    }
    return 0;
  };
  const utf8Names = ['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8'];
  class TextDecoder {
    #fatal;
    #ignoreBOM;
    #kept = new Uint8Array(0);
    #begun = false;
    constructor(label = 'utf-8', {fatal = false, ignoreBOM = false} = {}) {
      if (!utf8Names.includes(String(label).trim().toLowerCase())) {
        throw new RangeError(`TextDecoder: '${label}' is not supported, only utf-8 is`);
      }
      this.#fatal = Boolean(fatal);
      this.#ignoreBOM = Boolean(ignoreBOM);
    }
    get encoding() { return 'utf-8'; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(data, {stream = false} = {}) {
      let bytes = bytesOf(data);
      if (this.#kept.length > 0) {
        const joined = new Uint8Array(this.#kept.length + bytes.length);
        joined.set(this.#kept);
        joined.set(bytes, this.#kept.length);
        bytes = joined;
      }
      const keep = stream ? openEnd(bytes) : 0;
      this.#kept = bytes.slice(bytes.length - keep);
      let text = native.decode(bytes.subarray(0, bytes.length - keep), this.#fatal);
      if (!this.#begun && !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
      this.#begun = stream && (this.#begun || text.length > 0);
      return text;
    }
  }
  native.defineClass(TextDecoder);

  // ---- the function's variables, read when first looked at

  let variables;
  const load = () => {
    if (variables) return variables;
    const list = native.list(1);
    variables = {};
    for (let i = 0; i < list.length; i += 2) define(variables, list[i], list[i + 1], true);
    return variables;
  };
  native.variables = load;
  define(globalThis, 'process', {
    get env() { return load(); },
    nextTick: (action, ...values) => queueMicrotask(() => action(...values)),
  });
}

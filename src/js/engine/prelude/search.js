// URLSearchParams.
(native) => {
  const plain = /^[A-Za-z0-9*\-._]$/;
  const encodeByte = (byte) => {
    const character = String.fromCharCode(byte);
    if (plain.test(character)) return character;
    return byte === 0x20 ? '+' : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  };
  const encode = (text) => {
    let out = '';
    for (const byte of native.encode(text.toWellFormed())) out += encodeByte(byte);
    return out;
  };
  const isHex = (code) => (code >= 48 && code <= 57) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102);

  // Percent signs that begin no escape stay as they are.
  native.percentDecode = (text) => {
    const bytes = native.encode(text.toWellFormed());
    const out = new Uint8Array(bytes.length);
    let size = 0;
    for (let i = 0; i < bytes.length; ++i) {
      if (bytes[i] === 0x25 && i + 2 < bytes.length && isHex(bytes[i + 1]) && isHex(bytes[i + 2])) {
        out[size++] = Number.parseInt(String.fromCharCode(bytes[i + 1], bytes[i + 2]), 16);
        i += 2;
      } else {
        out[size++] = bytes[i];
      }
    }
    return out.subarray(0, size);
  };
  const decode = (text) => native.decode(native.percentDecode(text.replaceAll('+', ' ')), false);

  const parse = (text) => {
    const pairs = [];
    for (const part of text.split('&')) {
      if (part === '') continue;
      const at = part.indexOf('=');
      pairs.push(at < 0 ? [decode(part), ''] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]);
    }
    return pairs;
  };

  const string = (value) => `${value}`.toWellFormed();
  const readPairs = (from) => {
    if (typeof from !== 'object' || from === null) {
      const text = string(from);
      return parse(text.startsWith('?') ? text.slice(1) : text);
    }
    if (typeof from[Symbol.iterator] !== 'function') {
      return Object.keys(from).map((key) => [string(key), string(from[key])]);
    }
    return Array.from(from, (pair) => {
      const [name, value, ...more] = pair;
      if (value === undefined || more.length > 0) throw new TypeError('URLSearchParams: each pair is a name and a value');
      return [string(name), string(value)];
    });
  };

  class URLSearchParams {
    #pairs;
    #changed = null;
    constructor(from = '') {
      this.#pairs = from instanceof URLSearchParams ? [...from] : readPairs(from);
    }
    // A URL's own: `changed` is told what the query is now.
    static #bind(params, query, changed) {
      params.#pairs = parse(query);
      params.#changed = changed;
    }
    static { native.bindSearch = URLSearchParams.#bind; }
    #tell() { if (this.#changed) this.#changed(this.toString()); }
    get size() { return this.#pairs.length; }
    append(name, value) {
      this.#pairs.push([string(name), string(value)]);
      this.#tell();
    }
    delete(name, value) {
      const key = string(name);
      this.#pairs = this.#pairs.filter((pair) => pair[0] !== key || (value !== undefined && pair[1] !== string(value)));
      this.#tell();
    }
    get(name) {
      const key = string(name);
      return this.#pairs.find((pair) => pair[0] === key)?.[1] ?? null;
    }
    getAll(name) {
      const key = string(name);
      return this.#pairs.filter((pair) => pair[0] === key).map((pair) => pair[1]);
    }
    has(name, value) {
      const key = string(name);
      return this.#pairs.some((pair) => pair[0] === key && (value === undefined || pair[1] === string(value)));
    }
    set(name, value) {
      const key = string(name);
      const first = this.#pairs.findIndex((pair) => pair[0] === key);
      if (first < 0) return this.append(key, value);
      this.#pairs[first][1] = string(value);
      this.#pairs = this.#pairs.filter((pair, index) => pair[0] !== key || index === first);
      this.#tell();
    }
    sort() {
      this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this.#tell();
    }
    toString() { return this.#pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&'); }
    forEach(action, self) { for (const [name, value] of this) action.call(self, value, name, this); }
    *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
    *keys() { for (const [name] of this.#pairs) yield name; }
    *values() { for (const [, value] of this.#pairs) yield value; }
    [Symbol.iterator]() { return this.entries(); }
  }
  native.defineClass(URLSearchParams);
}

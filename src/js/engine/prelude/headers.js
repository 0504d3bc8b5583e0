// Headers.
(native) => {
  const isName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  // Regular expressions cost more than the rest of a header: those that most have are known.
  const known = new Map();
  for (const name of ['Accept', 'Authorization', 'Cache-Control', 'Content-Type', 'Cookie', 'Host', 'Location', 'Set-Cookie',
    'User-Agent', 'X-Request-Id']) {
    known.set(name, name.toLowerCase());
    known.set(name.toLowerCase(), name.toLowerCase());
  }
  const nameOf = (name) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const text = String(name);
    if (!isName.test(text)) throw new TypeError(`'${text.slice(0, 80)}' is not the name of a header`);
    return text.toLowerCase();
  };
  const valueOf = (name, value) => {
    let text = String(value);
    if (!(text.charCodeAt(0) > 0x20 && text.charCodeAt(text.length - 1) > 0x20)) text = text.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
    if (/[\0\n\r]/.test(text)) throw new TypeError(`the value of the header '${name}' holds a line end or NUL`);
    return text;
  };

  class Headers {
    #map = new Map();  // Lower-case name -> values.
    constructor(from) {
      if (from === undefined || from === null) return;
      if (typeof from !== 'object') throw new TypeError('Headers: expected pairs, an object or Headers');
      if (typeof from[Symbol.iterator] === 'function') {
        for (const pair of from) {
          const [name, value, ...more] = pair;
          if (value === undefined || more.length > 0) throw new TypeError('Headers: each pair is a name and a value');
          this.append(name, value);
        }
      } else {
        for (const name of Object.keys(from)) this.append(name, from[name]);
      }
    }
    append(name, value) {
      const key = nameOf(name);
      const text = valueOf(key, value);
      const values = this.#map.get(key);
      if (values) {
        values.push(text);
      } else {
        this.#map.set(key, [text]);
      }
    }
    set(name, value) {
      const key = nameOf(name);
      this.#map.set(key, [valueOf(key, value)]);
    }
    get(name) { return this.#map.get(nameOf(name))?.join(', ') ?? null; }
    has(name) { return this.#map.has(nameOf(name)); }
    delete(name) { this.#map.delete(nameOf(name)); }
    // Calls `action` with each name and value, in no order, without the cost of an iterator.
    static { native.putHeader = (headers, name, value) => headers.#map.set(name, [value]); }
    static { native.eachHeader = (headers, action) => {
      for (const [name, values] of headers.#map) {
        if (name === 'set-cookie') values.forEach((value) => action(name, value));
        else action(name, values.length === 1 ? values[0] : values.join(', '));
      }
    }; }
    getSetCookie() { return [...(this.#map.get('set-cookie') ?? [])]; }
    *entries() {
      for (const name of [...this.#map.keys()].sort()) {
        const values = this.#map.get(name);
        if (name === 'set-cookie') {
          for (const value of values) yield [name, value];
        } else {
          yield [name, values.join(', ')];
        }
      }
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    forEach(action, self) { for (const [name, value] of this) action.call(self, value, name, this); }
    [Symbol.iterator]() { return this.entries(); }
  }
  native.defineClass(Headers);
}

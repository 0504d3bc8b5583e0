// Headers.
(native) => {
  // In C, since a regular expression costs more than the rest of a header.
  const nameOf = native.headerName;
  const valueOf = native.headerValue;

  const find = (list, name) => {
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) return i;
    }
    return -1;
  };
  const add = (list, given, value) => {
    const name = nameOf(given);
    const text = valueOf(value, name);
    const at = name === 'set-cookie' ? -1 : find(list, name);
    if (at < 0) list.push(name, text);
    else list[at + 1] += `, ${text}`;
  };

  // A lower-case name and its value, and so on; of the names only set-cookie stands there more than once.
  const read = (from) => {
    const list = [];
    if (from === undefined || from === null) return list;
    if (typeof from !== 'object') throw new TypeError('Headers: expected pairs, an object or Headers');
    const known = native.listOf(from);
    if (known) return known.slice();
    if (typeof from[Symbol.iterator] === 'function') {
      for (const pair of from) {
        const [name, value, ...more] = pair;
        if (value === undefined || more.length > 0) throw new TypeError('Headers: each pair is a name and a value');
        add(list, name, value);
      }
    } else {
      const names = Object.keys(from);
      for (let i = 0; i < names.length; ++i) add(list, names[i], from[names[i]]);
    }
    return list;
  };
  native.readHeaders = read;

  // Unless it is there.
  native.putHeader = (list, name, value) => {
    if (find(list, name) < 0) list.push(name, value);
  };

  const over = Symbol('the list itself');
  class Headers {
    #list;
    constructor(from, list) { this.#list = from === over ? list : read(from); }
    append(name, value) { add(this.#list, name, value); }
    set(name, value) {
      const key = nameOf(name);
      const text = valueOf(value, key);
      const at = find(this.#list, key);
      if (at < 0) {
        this.#list.push(key, text);
        return;
      }
      this.#list[at + 1] = text;
      if (key === 'set-cookie') this.#remove(key, at + 2);
    }
    get(name) {
      const key = nameOf(name);
      if (key === 'set-cookie') return this.has(key) ? this.getSetCookie().join(', ') : null;
      const at = find(this.#list, key);
      return at < 0 ? null : this.#list[at + 1];
    }
    has(name) { return find(this.#list, nameOf(name)) >= 0; }
    delete(name) { this.#remove(nameOf(name), 0); }
    #remove(key, from) {
      const list = this.#list;
      for (let i = list.length - 2; i >= from; i -= 2) {
        if (list[i] === key) list.splice(i, 2);
      }
    }
    static {
      native.listOf = (headers) => (#list in headers ? headers.#list : null);
      native.headersOver = (list) => new Headers(over, list);
    }
    getSetCookie() { return this.#list.filter((_, i) => i % 2 === 1 && this.#list[i - 1] === 'set-cookie'); }
    *entries() {
      const pairs = [];
      for (let i = 0; i < this.#list.length; i += 2) pairs.push([this.#list[i], this.#list[i + 1]]);
      yield* pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    forEach(action, self) { for (const [name, value] of this) action.call(self, value, name, this); }
    [Symbol.iterator]() { return this.entries(); }
  }
  native.defineClass(Headers);
}

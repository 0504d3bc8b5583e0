// URL, after the WHATWG's standard: special schemes, IPv4 and IPv6 hosts, dots in paths, percent encoding.
// Names in other scripts are lowered and written in punycode, without the Unicode tables of full IDNA.
(native) => {
  const ports = {'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21', 'file:': ''};
  const isSpecial = (protocol) => Object.hasOwn(ports, protocol);
  const bad = (what) => { throw new TypeError(`Invalid URL: ${what}`); };

  const sets = {
    control: '',
    fragment: ' "<>`',
    query: ' "#<>',
    specialQuery: ' "#<>\'',
    path: ' "#<>?`{}^',
    user: ' "#<>?`{}/:;=@[\\]^|',
  };
  const encode = (text, set) => {
    let out = '';
    for (const character of text.toWellFormed()) {
      const code = character.codePointAt(0);
      if (code > 0x20 - (set === sets.control ? 1 : 0) && code < 0x7f && !set.includes(character)) {
        out += character;
      } else if (code === 0x20 && !set.includes(' ')) {
        out += ' ';
      } else {
        for (const byte of native.encode(character)) out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
      }
    }
    return out;
  };

  // ---- hosts

  const punycode = (label) => {
    const points = Array.from(label, (character) => character.codePointAt(0));
    let out = points.filter((point) => point < 0x80).map((point) => String.fromCharCode(point)).join('');
    let handled = out.length;
    const basic = handled;
    if (basic > 0) out += '-';
    let n = 128;
    let delta = 0;
    let bias = 72;
    while (handled < points.length) {
      const next = Math.min(...points.filter((point) => point >= n));
      delta += (next - n) * (handled + 1);
      n = next;
      for (const point of points) {
        if (point < n) ++delta;
        if (point !== n) continue;
        let q = delta;
        for (let k = 36; ; k += 36) {
          const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
          if (q < t) break;
          const digit = t + ((q - t) % (36 - t));
          out += String.fromCharCode(digit < 26 ? digit + 97 : digit + 22);
          q = Math.floor((q - t) / (36 - t));
        }
        out += String.fromCharCode(q < 26 ? q + 97 : q + 22);
        let d = Math.floor(delta / (handled === basic ? 700 : 2));
        d += Math.floor(d / (handled + 1));
        let k = 0;
        for (; d > 455; k += 36) d = Math.floor(d / 35);
        bias = k + Math.floor((36 * d) / (d + 38));
        delta = 0;
        ++handled;
      }
      ++delta;
      ++n;
    }
    return `xn--${out}`;
  };

  const parseNumber = (text) => {
    if (text === '') return NaN;
    if (/^0x[0-9a-f]*$/i.test(text)) return text.length === 2 ? 0 : Number.parseInt(text, 16);
    if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
    return /^\d+$/.test(text) ? Number(text) : NaN;
  };
  const parseIpv4 = (host) => {
    const parts = host.split('.');
    if (parts.at(-1) === '' && parts.length > 1) parts.pop();
    const numbers = parts.map(parseNumber);
    const last = numbers.pop();
    if (parts.length > 4 || numbers.some((n) => !(n <= 255)) || !(last < 256 ** (4 - numbers.length))) bad(host);
    let value = last;
    numbers.forEach((n, i) => { value += n * 256 ** (3 - i); });
    return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
  };
  const parseIpv6 = (text) => {
    const v4 = text.match(/^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/);
    let rest = text;
    if (v4) {
      const bytes = v4.slice(2).map(Number);
      if (bytes.some((byte) => byte > 255)) bad(text);
      rest = `${v4[1]}${(bytes[0] * 256 + bytes[1]).toString(16)}:${(bytes[2] * 256 + bytes[3]).toString(16)}`;
    }
    const halves = rest.split('::');
    if (halves.length > 2) bad(text);
    const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
    const count = head.length + (tail?.length ?? 0);
    if (tail ? count > 7 : count !== 8) bad(text);
    const pieces = tail ? [...head, ...new Array(8 - count).fill('0'), ...tail] : head;
    const values = pieces.map((piece) => (/^[0-9a-f]{1,4}$/i.test(piece) ? Number.parseInt(piece, 16) : bad(text)));
    let best = {at: -1, size: 1};
    for (let i = 0; i < 8; ++i) {
      let size = 0;
      while (i + size < 8 && values[i + size] === 0) ++size;
      if (size > best.size) best = {at: i, size};
    }
    const words = values.map((value) => value.toString(16));
    if (best.at < 0) return `[${words.join(':')}]`;
    return `[${words.slice(0, best.at).join(':')}::${words.slice(best.at + best.size).join(':')}]`;
  };
  const parseHost = (text, special) => {
    if (text.startsWith('[')) return text.endsWith(']') ? parseIpv6(text.slice(1, -1)) : bad(text);
    if (!special) return /[\0\t\n\r #/<>?@[\\\]^|]/.test(text) ? bad(text) : encode(text, sets.control);
    const labels = native.decode(native.percentDecode(text), false).normalize('NFKC').toLowerCase().split(/[.\u3002]/);
    const host = labels.map((label) => (/[^\0-\x7f]/.test(label) ? punycode(label) : label)).join('.');
    if (host === '' || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/.test(host)) bad(text);
    const last = host.split('.').findLast((part, index, all) => part !== '' || index < all.length - 1);
    return /^(\d+|0x[0-9a-f]*)$/i.test(last ?? '') ? parseIpv4(host) : host;
  };

  // ---- paths

  const isDot = (part) => part === '.' || part.toLowerCase() === '%2e';
  const isDots = (part) => /^(\.|%2e){2}$/i.test(part);
  const parsePath = (text, special, base = []) => {
    const parts = (special ? text.replaceAll('\\', '/') : text).split('/');
    const path = [...base];
    parts.forEach((part, index) => {
      const isLast = index === parts.length - 1;
      if (isDots(part)) {
        path.pop();
        if (isLast) path.push('');
      } else if (isDot(part)) {
        if (isLast) path.push('');
      } else {
        path.push(encode(part, sets.path));
      }
    });
    return path;
  };

  const parseAuthority = (text, special) => {
    const at = text.lastIndexOf('@');
    const user = at < 0 ? '' : text.slice(0, at);
    const [, host, port] = text.slice(at + 1).match(/^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s) ?? bad(text);
    if (port && !/^\d+$/.test(port)) bad(`port ${port}`);
    if (Number(port) > 65535) bad(`port ${port}`);
    const colon = user.indexOf(':');
    return {
      username: encode(colon < 0 ? user : user.slice(0, colon), sets.user),
      password: colon < 0 ? '' : encode(user.slice(colon + 1), sets.user),
      host: host === '' && !special ? '' : parseHost(host, special),
      port: port ? String(Number(port)) : '',
    };
  };

  const parse = (input, base) => {
    let text = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
    const empty = {protocol: '', username: '', password: '', host: null, port: '', path: [], opaque: null, query: null, hash: null};
    const hash = text.indexOf('#');
    if (hash >= 0) {
      empty.hash = encode(text.slice(hash + 1), sets.fragment);
      text = text.slice(0, hash);
    }
    const scheme = text.match(/^([A-Za-z][A-Za-z0-9+\-.]*):/);
    let url = empty;
    let rest = text;
    if (scheme) {
      url.protocol = `${scheme[1].toLowerCase()}:`;
      rest = text.slice(scheme[0].length);
    } else if (!base) {
      bad(`'${input}' has no scheme, and there is no base`);
    }
    const special = isSpecial(scheme ? url.protocol : base.protocol);
    const question = rest.indexOf('?');
    const query = question < 0 ? null : encode(rest.slice(question + 1), special ? sets.specialQuery : sets.query);
    let path = question < 0 ? rest : rest.slice(0, question);
    if (special) path = path.replaceAll('\\', '/');

    const isRelative = !scheme || (special && base?.protocol === url.protocol && !path.startsWith('/') && url.protocol !== 'file:');
    if (isRelative && base) {
      if (base.opaque !== null && !(path === '' && query === null)) bad(`'${input}' cannot be relative to '${base.protocol}'`);
      url.protocol = base.protocol;
      if (!path.startsWith('//')) {
        for (const key of ['username', 'password', 'host', 'port', 'opaque']) url[key] = base[key];
        if (path === '') {
          url.path = [...base.path];
          url.query = query ?? base.query;
        } else {
          url.path = path.startsWith('/') ? parsePath(path.slice(1), special) : parsePath(path, special, base.path.slice(0, -1));
          url.query = query;
        }
        return url;
      }
    }
    url.query = query;
    const slashes = special && url.protocol !== 'file:' ? /^\/*/ : /^\/\//;
    if (path.startsWith('//') || (special && url.protocol !== 'file:')) {
      path = path.replace(slashes, '');
      const end = path.indexOf('/');
      const authority = parseAuthority(end < 0 ? path : path.slice(0, end), special && url.protocol !== 'file:');
      Object.assign(url, authority);
      if (url.protocol === 'file:' && url.host === 'localhost') url.host = '';
      if (url.port === ports[url.protocol]) url.port = '';
      path = end < 0 ? '' : path.slice(end);
    } else if (url.protocol === 'file:') {
      url.host = '';
    } else if (!path.startsWith('/')) {
      url.opaque = encode(path, sets.control);
      return url;
    }
    url.path = path === '' ? (special ? [''] : []) : parsePath(path.slice(1), special);
    return url;
  };

  // ---- the class

  const pathOf = (url) => (url.opaque !== null ? url.opaque : url.path.map((part) => `/${part}`).join(''));
  const hostOf = (url) => (url.host ?? '') + (url.port === '' ? '' : `:${url.port}`);
  const serialize = (url) => {
    let out = url.protocol;
    if (url.host !== null) {
      const user = url.username + (url.password === '' ? '' : `:${url.password}`);
      out += `//${user}${user === '' ? '' : '@'}${hostOf(url)}`;
    } else if (url.opaque === null && url.path.length > 1 && url.path[0] === '') {
      out += '/.';
    }
    out += pathOf(url);
    if (url.query !== null) out += `?${url.query}`;
    if (url.hash !== null) out += `#${url.hash}`;
    return out;
  };

  class URL {
    #url;
    #params = null;
    constructor(url, base) {
      this.#url = parse(String(url), base === undefined ? undefined : parse(String(base)));
    }
    static canParse(url, base) { return URL.parse(url, base) !== null; }
    static parse(url, base) {
      try {
        return new URL(url, base);
      } catch {
        return null;
      }
    }
    #refresh() { if (this.#params) native.bindSearch(this.#params, this.#url.query ?? '', this.#follow); }
    #follow = (query) => { this.#url.query = query === '' ? null : query; };
    // A setter changes nothing where what it is given is no such part.
    #change(work) {
      const before = this.#url;
      try {
        this.#url = {...before, path: [...before.path]};
        work(this.#url);
      } catch {
        this.#url = before;
      }
    }
    get href() { return serialize(this.#url); }
    set href(value) {
      this.#url = parse(String(value));
      this.#refresh();
    }
    get origin() {
      return isSpecial(this.#url.protocol) && this.#url.protocol !== 'file:' ? `${this.#url.protocol}//${hostOf(this.#url)}` : 'null';
    }
    get protocol() { return this.#url.protocol; }
    set protocol(value) {
      const protocol = `${String(value).replace(/:.*$/s, '').toLowerCase()}:`;
      if (!/^[a-z][a-z0-9+\-.]*:$/.test(protocol) || isSpecial(protocol) !== isSpecial(this.#url.protocol)) return;
      this.#change((url) => {
        url.protocol = protocol;
        if (url.port === ports[protocol]) url.port = '';
      });
    }
    get username() { return this.#url.username; }
    set username(value) { if (this.#url.host) this.#change((url) => { url.username = encode(String(value), sets.user); }); }
    get password() { return this.#url.password; }
    set password(value) { if (this.#url.host) this.#change((url) => { url.password = encode(String(value), sets.user); }); }
    get host() { return hostOf(this.#url); }
    set host(value) {
      if (this.#url.opaque !== null) return;
      this.#change((url) => {
        const {host, port} = parseAuthority(String(value).replace(/[/?#\\].*$/s, ''), isSpecial(url.protocol));
        url.host = host;
        if (port !== '') url.port = port === ports[url.protocol] ? '' : port;
      });
    }
    get hostname() { return this.#url.host ?? ''; }
    set hostname(value) {
      if (this.#url.opaque !== null || /:/.test(String(value).replace(/^\[.*\]$/, ''))) return;
      this.#change((url) => { url.host = parseHost(String(value).replace(/[/?#\\].*$/s, ''), isSpecial(url.protocol)); });
    }
    get port() { return this.#url.port; }
    set port(value) {
      const port = String(value).match(/^\d*/)[0];
      if ((port === '' && String(value) !== '') || Number(port) > 65535 || !this.#url.host) return;
      this.#change((url) => { url.port = port === '' || String(Number(port)) === ports[url.protocol] ? '' : String(Number(port)); });
    }
    get pathname() { return pathOf(this.#url); }
    set pathname(value) {
      if (this.#url.opaque !== null) return;
      this.#change((url) => {
        url.path = parsePath(String(value).replace(/^[/\\]/, '').replaceAll('?', '%3F').replaceAll('#', '%23'), isSpecial(url.protocol));
      });
    }
    get search() { return this.#url.query ? `?${this.#url.query}` : ''; }
    set search(value) {
      const query = String(value).replace(/^\?/, '');
      this.#url.query = query === '' ? null : encode(query, isSpecial(this.#url.protocol) ? sets.specialQuery : sets.query);
      this.#refresh();
    }
    get searchParams() {
      if (!this.#params) {
        this.#params = new URLSearchParams();
        this.#refresh();
      }
      return this.#params;
    }
    get hash() { return this.#url.hash ? `#${this.#url.hash}` : ''; }
    set hash(value) {
      const hash = String(value).replace(/^#/, '');
      this.#url.hash = hash === '' ? null : encode(hash, sets.fragment);
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
  }
  native.defineClass(URL);
}

// console: what is written goes to the call's log, formatted as Node formats it, within bounds.
(native) => {
  const depthMax = 4;
  const itemsMax = 100;
  const textMax = 16 * 1024;

  const quote = (text) => (text.includes("'") ? JSON.stringify(text) : `'${text.replaceAll('\n', '\\n')}'`);
  const isPlainName = (name) => /^[A-Za-z_$][\w$]*$/.test(name);

  const wrap = (open, parts, close) => {
    if (parts.length === 0) return open + close;
    const line = parts.join(', ');
    return line.length <= 72 && !line.includes('\n')
      ? `${open} ${line} ${close}`
      : `${open}\n  ${parts.map((part) => part.replaceAll('\n', '\n  ')).join(',\n  ')}\n${close}`;
  };

  const bounded = (items, show) => {
    const parts = [];
    let count = 0;
    for (const item of items) {
      if (++count > itemsMax) {
        parts.push('... more items');
        break;
      }
      parts.push(show(item));
    }
    return parts;
  };

  const inspectError = (error) => {
    const stack = typeof error.stack === 'string' ? error.stack : '';
    const lines = stack.split('\n').filter((line) => line && !line.includes('canopy:'));
    return [String(error), ...lines.map((line) => native.ownLines(line))].join('\n');
  };

  const members = (object, next) =>
    bounded(Object.keys(object), (key) => {
      const property = Object.getOwnPropertyDescriptor(object, key);
      const name = isPlainName(key) ? key : quote(key);
      return `${name}: ${property && property.get ? '[Getter]' : next(object[key])}`;
    });

  const inspectObject = (object, depth, seen) => {
    if (seen.includes(object)) return '[Circular]';
    const path = [...seen, object];
    const next = (value) => inspect(value, depth + 1, path);
    if (object instanceof Error) return inspectError(object);
    if (object instanceof Date) return Number.isNaN(object.getTime()) ? 'Invalid Date' : object.toISOString();
    if (object instanceof RegExp) return String(object);
    if (object instanceof Promise) return 'Promise {}';
    const name = object.constructor && object.constructor.name;
    if (depth > depthMax) return Array.isArray(object) ? '[Array]' : `[${name || 'Object'}]`;
    if (Array.isArray(object)) return wrap('[', bounded(object, next), ']');
    if (ArrayBuffer.isView(object) && 'length' in object) {
      return wrap(`${name}(${object.length}) [`, bounded(object, String), ']');
    }
    if (object instanceof Map) {
      return wrap(`Map(${object.size}) {`, bounded(object, ([key, value]) => `${next(key)} => ${next(value)}`), '}');
    }
    if (object instanceof Set) return wrap(`Set(${object.size}) {`, bounded(object, next), '}');
    const prefix = name === 'Object' ? '' : name ? `${name} ` : '[Object: null prototype] ';
    return wrap(`${prefix}{`, members(object, next), '}');
  };

  const inspect = (value, depth, seen) => {
    switch (typeof value) {
      case 'string': return quote(value);
      case 'bigint': return `${value}n`;
      case 'symbol': return String(value);
      case 'function': return `[${value.toString().startsWith('class') ? 'class' : 'Function'}: ${value.name || '(anonymous)'}]`;
      case 'number': return Object.is(value, -0) ? '-0' : String(value);
      case 'object': return value === null ? 'null' : inspectObject(value, depth, seen);
      default: return String(value);
    }
  };

  const show = (value) => (typeof value === 'string' ? value : inspect(value, 0, []));

  const format = (values) => {
    let rest = 0;
    let text = '';
    if (typeof values[0] === 'string' && values.length > 1) {
      rest = 1;
      text = values[0].replace(/%[sdifjoOc%]/g, (mark) => {
        if (mark === '%%') return '%';
        if (rest >= values.length) return mark;
        const value = values[rest++];
        switch (mark) {
          case '%s': return show(value);
          case '%d': return String(Number(value));
          case '%i': return String(Number.parseInt(value, 10));
          case '%f': return String(Number.parseFloat(value));
          case '%j': return JSON.stringify(value);
          case '%c': return '';
          default: return inspect(value, 0, []);
        }
      });
    }
    for (; rest < values.length; ++rest) text += (rest > 0 ? ' ' : '') + show(values[rest]);
    return text.length > textMax ? `${text.slice(0, textMax)}... (${text.length - textMax} more)` : text;
  };

  const counts = new Map();
  const timers = new Map();
  let indent = '';
  const write = (level, values) => {
    const text = format(values);
    native.log(level, indent ? indent + text.replaceAll('\n', `\n${indent}`) : text);
  };
  const console = {
    debug: (...values) => write(0, values),
    log: (...values) => write(1, values),
    info: (...values) => write(1, values),
    warn: (...values) => write(2, values),
    error: (...values) => write(3, values),
    trace: (...values) => write(0, [format(values), `\n${inspectError(new Error('trace')).split('\n').slice(1).join('\n')}`]),
    dir: (value) => write(1, [inspect(value, 0, [])]),
    table: (value) => write(1, [inspect(value, 0, [])]),
    assert: (holds, ...values) => { if (!holds) write(3, ['Assertion failed:', ...values]); },
    count: (label = 'default') => {
      counts.set(label, (counts.get(label) ?? 0) + 1);
      write(1, [`${label}: ${counts.get(label)}`]);
    },
    countReset: (label = 'default') => { counts.delete(label); },
    time: (label = 'default') => { timers.set(label, performance.now()); },
    timeLog: (label = 'default', ...values) => {
      if (timers.has(label)) write(1, [`${label}: ${(performance.now() - timers.get(label)).toFixed(3)}ms`, ...values]);
    },
    timeEnd: (label = 'default') => {
      console.timeLog(label);
      timers.delete(label);
    },
    group: (...values) => {
      if (values.length > 0) write(1, values);
      indent += '  ';
    },
    groupEnd: () => { indent = indent.slice(2); },
    clear: () => {},
  };
  console.groupCollapsed = console.group;
  native.define(globalThis, 'console', console);
}

// structuredClone, for what can be cloned by what it holds.
(native) => {
  const fail = (what) => { throw new DOMException(`${what} could not be cloned.`, 'DataCloneError'); };
  const errors = {Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError};

  const cloneObject = (value, seen) => {
    const keep = (copy) => {
      seen.set(value, copy);
      return copy;
    };
    const inner = (each) => clone(each, seen);
    if (Array.isArray(value)) {
      const copy = keep(new Array(value.length));
      for (const key of Object.keys(value)) copy[key] = inner(value[key]);
      return copy;
    }
    if (value instanceof Date) return keep(new Date(value.getTime()));
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
    if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt) {
      return keep(Object(value.valueOf()));
    }
    if (value instanceof ArrayBuffer) return keep(value.slice(0));
    if (value instanceof DataView) return keep(new DataView(inner(value.buffer), value.byteOffset, value.byteLength));
    if (ArrayBuffer.isView(value)) return keep(new value.constructor(inner(value.buffer), value.byteOffset, value.length));
    if (value instanceof Map) {
      const copy = keep(new Map());
      for (const [key, each] of [...value]) copy.set(inner(key), inner(each));
      return copy;
    }
    if (value instanceof Set) {
      const copy = keep(new Set());
      for (const each of [...value]) copy.add(inner(each));
      return copy;
    }
    if (value instanceof Error) {
      const copy = keep(new (errors[value.name] ?? Error)(value.message));
      native.define(copy, 'stack', value.stack);
      if ('cause' in value) native.define(copy, 'cause', inner(value.cause));
      return copy;
    }
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) {
      fail(`#<${value.constructor.name}>`);
    }
    const copy = keep({});
    for (const key of Object.keys(value)) copy[key] = inner(value[key]);
    return copy;
  };

  const clone = (value, seen) => {
    if (typeof value === 'function') fail(value.name || '(anonymous)');
    if (typeof value === 'symbol') fail(String(value));
    if (typeof value !== 'object' || value === null) return value;
    return seen.get(value) ?? cloneObject(value, seen);
  };

  native.define(globalThis, 'structuredClone', function structuredClone(value, options) {
    if (arguments.length === 0) throw new TypeError('structuredClone: there is nothing to clone');
    const transfer = options?.transfer ?? [];
    const copy = clone(value, new Map());
    for (const each of transfer) if (each instanceof ArrayBuffer && each.transfer) each.transfer();
    return copy;
  });
}

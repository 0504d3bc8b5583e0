// Makes ready what QuickJS would make in each call when it is first looked at: a built-in function is an object
// only after that. And keeps one object of each class of ours, so that their shapes are there.
(native) => {
  const makers = [Object, Function, Array, String, Number, Boolean, Symbol, Promise, Map, Set, RegExp, Error, TypeError,
    ArrayBuffer, Uint8Array, Object.getPrototypeOf(Uint8Array), Date];
  const others = [globalThis, JSON, Math, Reflect, Object.getPrototypeOf([][Symbol.iterator]()),
    Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()))];
  for (const each of [...makers, ...makers.map((made) => made.prototype), ...others]) Object.getOwnPropertyDescriptors(each);

  const response = new Response('text', {status: 200, headers: {'Content-Type': 'text/plain'}});
  native.kept = [response, response.clone(), new Response(), new Headers()];
}

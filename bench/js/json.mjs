// A document of a mebibyte, written, parsed and written again.
export default () => {
  const items = [];
  for (let i = 0; JSON.stringify(items[0] ?? '').length * i < 1 << 20; ++i) {
    items.push({id: i, name: `item number ${i}`, price: i / 7, tags: ['one', 'two', 'three'], nested: {ok: i % 2 === 0}});
  }
  const text = JSON.stringify(items);
  return JSON.stringify(JSON.parse(text)).length;
}

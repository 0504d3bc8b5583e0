// How MUCPD FaaS runs a function: a new script in a new context, with a timeout, for each call. And, with a
// file and an argument, how long Node takes for one call of what the file exports.
'use strict';
const vm = require('vm');

const percentile = (times, share) => times.sort((a, b) => a - b)[Math.floor((times.length - 1) * share)];
const microseconds = () => Number(process.hrtime.bigint()) / 1000;

async function oldWay(count) {
  const source = 'async (a, b) => a + b';
  const wrapped = `const fn = ${source}; promise = (async () => { result = await fn(...argv); })();`;
  const times = [];
  for (let i = 0; i < count; ++i) {
    const before = microseconds();
    const context = {argv: JSON.parse('[2,3]'), result: undefined, promise: undefined, setTimeout, setInterval};
    new vm.Script(wrapped).runInNewContext(context, {timeout: 900000});
    await context.promise;
    JSON.stringify(context.result);
    times.push(microseconds() - before);
  }
  return times;
}

async function run(file, argument, count) {
  const {default: work} = await import(file);
  const times = [];
  for (let i = 0; i < count; ++i) {
    const before = microseconds();
    await work(...JSON.parse(argument));
    times.push(microseconds() - before);
  }
  return times;
}

(async () => {
  const [file, argument, count] = process.argv.slice(2);
  if (!file) await oldWay(200);
  const times = file ? await run(file, argument, Number(count)) : await oldWay(2000);
  console.log(JSON.stringify({first_us: times[0], p50_us: percentile(times, 0.5), p99_us: percentile(times, 0.99)}));
})();

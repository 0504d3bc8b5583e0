// Sorting a hundred thousand numbers with a function that compares.
export default () => {
  let seed = 1;
  const numbers = Array.from({length: 100000}, () => (seed = (seed * 48271) % 2147483647));
  return numbers.sort((a, b) => a - b)[50000];
}

// Regular expressions over a text of 200 kB.
export default () => {
  let text = '';
  for (let i = 0; i < 4000; ++i) text += `user${i}@example${i % 17}.com said "hello ${i}" on 2024-0${(i % 9) + 1}-11; `;
  const mails = text.match(/[\w.]+@[\w.]+\.[a-z]{2,}/g).length;
  const dates = [...text.matchAll(/(\d{4})-(\d{2})-(\d{2})/g)].length;
  return mails + dates + text.replace(/"([^"]*)"/g, (_, inner) => inner.toUpperCase()).length;
}

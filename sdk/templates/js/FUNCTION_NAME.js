// Answers with a greeting. The call's body is the arguments as JSON; what it returns is the reply as JSON.
export default async function (name = 'world') {
  console.log(`greeting ${name}`); // Goes to the call's log.
  return `Hello, ${name}!`;
}

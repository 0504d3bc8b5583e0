// Greets, in JavaScript. The body of a call is its arguments as a JSON array, the reply its result as JSON.
export default async (name = 'world') => `Hello, ${name}!`;
